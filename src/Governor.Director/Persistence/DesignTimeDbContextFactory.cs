using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;

namespace Governor.Director.Persistence;

/// <summary>Gives <c>dotnet ef</c> a context for PostgreSQL: migrations exist for it alone. No server is asked.</summary>
internal sealed class DesignTimeDbContextFactory : IDesignTimeDbContextFactory<DirectorDbContext>
{
    public DirectorDbContext CreateDbContext(string[] args) => new(
        new DbContextOptionsBuilder<DirectorDbContext>()
            .UseNpgsql("Host=localhost;Database=governor").UseSnakeCaseNamingConvention().Options);
}
