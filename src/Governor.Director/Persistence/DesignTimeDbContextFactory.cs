using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;

namespace Governor.Director.Persistence;

/// <summary>Gives <c>dotnet ef</c> a context for PostgreSQL: migrations exist for it alone. <c>database update</c> works on the
/// Director's own setting, <c>ConnectionStrings__Director</c>.</summary>
internal sealed class DesignTimeDbContextFactory : IDesignTimeDbContextFactory<DirectorDbContext>
{
    public DirectorDbContext CreateDbContext(string[] args) => new(
        new DbContextOptionsBuilder<DirectorDbContext>()
            .UseNpgsql(Environment.GetEnvironmentVariable("ConnectionStrings__Director") ?? "Host=localhost;Database=governor").UseSnakeCaseNamingConvention().Options);
}
