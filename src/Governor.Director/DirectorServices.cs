using System.Data;
using System.Text.Json.Serialization;
using Governor.Director.Assignments;
using Governor.Director.Commands;
using Governor.Director.Configurations;
using Governor.Director.Credentials;
using Governor.Director.DeadLetters;
using Governor.Director.Drift;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Director.Reports;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using Governor.Messaging;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration.Memory;

namespace Governor.Director;

/// <summary>Registers the Director: the same parts embedded and for real; only the database and the transport differ.</summary>
internal static class DirectorServices
{
    /// <summary>Adds the Director on PostgreSQL.</summary>
    public static void AddDirectorOnPostgres(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<ConnectionOptions>()
            .Configure(o => o.Director = builder.Configuration.GetConnectionString("Director"))
            .Validate(o => !string.IsNullOrWhiteSpace(o.Director),
                "ConnectionStrings__Director is missing: set it to the Npgsql connection string of the Director's database, for example Host=localhost;Database=governor;Username=governor;Password=…")
            .ValidateOnStart();
        builder.Services.AddDbContext<DirectorDbContext>((services, options) => options
            .UseNpgsql(services.GetRequiredService<Microsoft.Extensions.Options.IOptions<ConnectionOptions>>().Value.Director)
            .UseSnakeCaseNamingConvention());
        builder.AddDirectorParts();
        builder.Services.AddDriftJob(clusteredOn: builder.Configuration.GetConnectionString("Director"));
    }

    /// <summary>Adds the Director on a SQLite file, for one process.</summary>
    public static void AddDirectorOnSqlite(this WebApplicationBuilder builder, string file)
    {
        builder.Services.AddDbContext<DirectorDbContext>((_, options) => options
            .UseSqlite($"Data Source={file}").UseSnakeCaseNamingConvention().UseSqliteWriteLock());
        builder.AddDirectorParts();
        builder.Services.AddDriftJob(clusteredOn: null);
    }

    /// <summary>Adds the Director's endpoints, saga and outbox to the bus.</summary>
    public static void AddDirector(this GovernorBusBuilder bus, bool onPostgres)
    {
        bus.OwnTopology();
        bus.Register(x =>
        {
            x.AddReceiveEndpointObserver(provider => provider.GetRequiredService<BrokerWatch>());
            x.AddConsumer<ReportConsumer>();
            x.AddConsumer<EnrolmentConsumer>();
            x.AddConsumer<ProvisionRuntimesConsumer>();
            x.AddConsumer<DeprovisionRuntimeConsumer>();
            x.AddConsumer<UndeliverableConsumer>();
            x.AddConsumer<DeadLetterConsumer>();
            x.AddCommands();
            x.AddSagaStateMachine<RolloutStateMachine, Rollout>().EntityFrameworkRepository(r =>
            {
                r.ConcurrencyMode = ConcurrencyMode.Pessimistic;
                r.IsolationLevel = IsolationLevel.ReadCommitted;
                r.ExistingDbContext<DirectorDbContext>();
                _ = onPostgres ? r.UsePostgres() : r.UseSqlite();
            });
            x.AddEntityFrameworkOutbox<DirectorDbContext>(o =>
            {
                _ = onPostgres ? o.UsePostgres() : o.UseSqlite();
                // Rows are locked before they are read: nothing needs a snapshot, and no transaction fails for another's sake.
                o.IsolationLevel = IsolationLevel.ReadCommitted;
                o.QueryDelay = TimeSpan.FromSeconds(1);
                // A message may hold a runtime's whole content: bounds what one pass reads into memory.
                o.UseBusOutbox(b => b.MessageDeliveryLimit = 50);
            });
        });
        bus.Endpoints(DirectorEndpoints.Configure);
    }

    private static void AddDirectorParts(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        builder.Configuration.Sources.Insert(0, QuietLibraries());
        services.AddSingleton(TimeProvider.System);
        services.AddOptions<DatabaseOptions>().BindConfiguration("Database").ValidateOnStart();
        services.AddOptions<DeliveryOptions>().BindConfiguration("Delivery").ValidateDataAnnotations().ValidateOnStart();
        services.AddOptions<DriftOptions>().BindConfiguration("Drift").ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<DatabaseSetup>();
        services.AddSingleton<RevisionContents>();
        services.AddScoped<Assigner>();
        services.AddScoped<Dispatcher>();
        services.AddScoped<Sweeper>();
        services.AddScoped<GivingBack>();
        services.AddScoped<RolloutEngine>();
        services.AddScoped<RolloutPlanner>();
        services.AddScoped<RolloutActionHandler>();
        services.AddScoped<ConfigurationHandler>();
        services.AddScoped<FleetRegistry>();
        services.AddScoped<Joiner>();
        services.AddScoped<Readiness>();
        services.AddScoped<KeyTrust>();
        services.AddScoped<Deregistration>();
        services.AddScoped<Undeliverable>();
        services.AddScoped<BrokerMark>();
        services.AddScoped<ReportRecorder>();
        services.AddScoped<DriftScan>();
        services.AddScoped<DriftComparison>();
        services.AddScoped<FindingRecorder>();
        builder.AddCredentials();
        services.AddCommands();
        services.AddSingleton<BrokerWatch>();
        services.AddHostedService(provider => provider.GetRequiredService<BrokerWatch>());
        services.AddHostedService<EachSecond>();
        services.ConfigureHttpJsonOptions(o => o.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull);
        services.AddProblemDetails();
        services.AddExceptionHandler<UnexpectedErrors>();
        services.AddHealthChecks().AddCheck<SchemaHealthCheck>("schema", tags: [Health.Ready]);
        services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(10));
        builder.WebHost.ConfigureKestrel(o => o.AddServerHeader = false);
    }

    /// <summary>The lowest of all settings: libraries say what is wrong, not what they do. A failed statement becomes an
    /// exception, and whoever handles that says so once.</summary>
    private static MemoryConfigurationSource QuietLibraries() => new()
    {
        InitialData = new Dictionary<string, string?>
        {
            ["Logging:LogLevel:Microsoft"] = "Warning",
            ["Logging:LogLevel:Microsoft.Hosting.Lifetime"] = "Information",
            ["Logging:LogLevel:Microsoft.EntityFrameworkCore.Database.Command"] = "None",
            ["Logging:LogLevel:Microsoft.EntityFrameworkCore.Database.Connection"] = "None",
            ["Logging:LogLevel:Microsoft.EntityFrameworkCore.Database.Transaction"] = "None",
            ["Logging:LogLevel:Microsoft.EntityFrameworkCore.Query"] = "None",
            ["Logging:LogLevel:Microsoft.EntityFrameworkCore.Update"] = "None",
            // Whoever asks /health/ready is told; an error in the log each time would drown what is one.
            ["Logging:LogLevel:Microsoft.Extensions.Diagnostics.HealthChecks"] = "None",
            // Says of a key ring that is unprotected, or that it cannot open, what the Director says itself, with the remedy.
            ["Logging:LogLevel:Microsoft.AspNetCore.DataProtection.KeyManagement.XmlKeyManager"] = "None",
            ["Logging:LogLevel:MassTransit"] = "Warning",
            ["Logging:LogLevel:Quartz"] = "Warning",
        },
    };

    /// <summary>The Director's database.</summary>
    private sealed class ConnectionOptions
    {
        public string? Director { get; set; }
    }
}
