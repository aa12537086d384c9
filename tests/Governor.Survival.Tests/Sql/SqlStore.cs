using System.Data.Common;
using Governor.Director;
using Governor.Director.Credentials;
using Governor.Director.Persistence;
using Governor.Messaging;
using Governor.Survival.Tests.Fleet;
using Governor.Survival.Tests.Model;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Governor.Survival.Tests.Sql;

/// <summary>A database of one test's own with a Director on it, registered as it is for real, but without a bus.</summary>
internal sealed class SqlStore : IAsyncDisposable
{
    private const string Variable = "GOVERNOR_TEST_POSTGRES";
    private readonly Func<WebApplicationBuilder> build;
    private readonly Func<Task> drop;
    private readonly Sink sink = new();
    private readonly MarkedBroker broker = new();
    private WebApplication? app;

    private SqlStore(Func<WebApplicationBuilder> build, Func<Task> drop)
    {
        (this.build, this.drop) = (build, drop);
        Director = new SqlDirector(Start, Clock, sink, broker);
    }

    /// <summary>Starts a process, instead of the last one.</summary>
    private IServiceProvider Start()
    {
        ((IDisposable?)app)?.Dispose();
        var builder = build();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<TimeProvider>(Clock);
        builder.Services.AddSingleton(sink);
        builder.Services.AddScoped<Outbox>();
        builder.Services.AddScoped(scope => BusProxy.Of<IPublishEndpoint>(scope.GetRequiredService<Outbox>().Publish));
        builder.Services.AddSingleton<IRuntimeProvisioner>(broker);
        builder.Services.ConfigureDbContext<DirectorDbContext>((scope, options) =>
            options.AddInterceptors(scope.GetRequiredService<Outbox>(), new WithoutSync()));
        app = builder.Build();
        return app.Services;
    }

    public WorldClock Clock { get; } = new();

    public SqlDirector Director { get; }

    public static async Task<SqlStore> OnSqliteAsync()
    {
        var folder = Directory.CreateTempSubdirectory("governor-survival-").FullName;
        return await PreparedAsync(new SqlStore(Build, () =>
        {
            Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
            Directory.Delete(folder, recursive: true);
            return Task.CompletedTask;
        }));

        WebApplicationBuilder Build()
        {
            var builder = Builder();
            builder.AddDirectorOnSqlite(Path.Combine(folder, "director.db"));
            return builder;
        }
    }

    public static async Task<SqlStore> OnPostgresAsync()
    {
        var server = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } value ? value
            : throw new InvalidOperationException(
                $"""
                 This test needs PostgreSQL, and {Variable} is not set. Either run all tests by infra/test.sh, or:
                   infra/servers.sh start
                   eval "$(infra/servers.sh env)"
                 """);
        var name = $"governor-survival-{Guid.NewGuid():N}";
        var own = new NpgsqlConnectionStringBuilder(server)
        {
            Database = name, Options = "-c synchronous_commit=off", MaxAutoPrepare = 300, AutoPrepareMinUsages = 2,
        };
        await ExecuteAsync(server, $"CREATE DATABASE \"{name}\"");
        return await PreparedAsync(new SqlStore(Build, () => ExecuteAsync(server, $"DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")));

        WebApplicationBuilder Build()
        {
            var builder = Builder(("ConnectionStrings:Director", own.ConnectionString));
            builder.AddDirectorOnPostgres();
            return builder;
        }
    }

    private static WebApplicationBuilder Builder(params (string Key, string Value)[] settings)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.AddInMemoryCollection(settings
            .Append(("Drift:Interval", TimeSpan.FromSeconds(ModelDirector.DriftInterval).ToString()))
            .Append(("Delivery:Deadline", TimeSpan.FromSeconds(ModelDirector.DeliveryDeadline).ToString()))
            .Select(s => KeyValuePair.Create<string, string?>(s.Item1, s.Item2)));
        return builder;
    }

    private static async Task<SqlStore> PreparedAsync(SqlStore store)
    {
        await using var scope = store.app!.Services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<DatabaseSetup>()
            .PrepareAsync(scope.ServiceProvider.GetRequiredService<DirectorDbContext>(), CancellationToken.None);
        await store.app.Services.GetRequiredService<SealingKeys>().GetAsync(CancellationToken.None);
        return store;
    }

    private static async Task ExecuteAsync(string server, string sql)
    {
        await using var connection = new NpgsqlConnection(server);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await app!.DisposeAsync();
        await drop();
    }

    /// <summary>No power fails in these histories: what a process commits before it dies need not reach the disk.</summary>
    private sealed class WithoutSync : DbConnectionInterceptor
    {
        public override async Task ConnectionOpenedAsync(
            DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
        {
            if (connection is NpgsqlConnection)
                return;

            await using var command = connection.CreateCommand();
            command.CommandText = "PRAGMA synchronous = OFF";
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }
}
