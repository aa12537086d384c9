using Governor.Contracts;
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

namespace Governor.Director;

/// <summary>The Director's ways in: its queues and its HTTP interface.</summary>
internal static class DirectorEndpoints
{
    /// <summary>Name of the saga's queue.</summary>
    public const string RolloutQueue = "governor-rollouts";

    private const int BatchLimit = 500;
    private const int BatchesAtOnce = 2;
    private const int RolloutsAtOnce = 8;

    /// <summary>The time limit of a batch is the latency of a report on an idle fleet.</summary>
    private static readonly TimeSpan BatchTime = TimeSpan.FromMilliseconds(10);

    /// <summary>Configures the queues.</summary>
    public static void Configure(IBusRegistrationContext context, IBusFactoryConfigurator bus)
    {
        bus.DirectorEndpoint(context, RolloutQueue, endpoint =>
        {
            endpoint.PrefetchCount = 32;
            endpoint.ConcurrentMessageLimit = RolloutsAtOnce;
            endpoint.PartitionByRollout();
            endpoint.UseEntityFrameworkOutbox<DirectorDbContext>(context);
            endpoint.ConfigureSaga<Rollout>(context);
        });
        bus.BatchEndpoint<ReportConsumer>(context, ReportConsumer.Queue);
        bus.BatchEndpoint<EnrolmentConsumer>(context, EnrolmentConsumer.Queue);
        bus.DirectorEndpoint(context, ProvisionRuntimesConsumer.Queue, endpoint =>
        {
            endpoint.PrefetchCount = 8;
            endpoint.ConcurrentMessageLimit = 4;
            endpoint.ConfigureConsumer<ProvisionRuntimesConsumer>(context);
            endpoint.ConfigureConsumer<DeprovisionRuntimeConsumer>(context);
        });
        bus.BatchEndpoint<UndeliverableConsumer>(context, UndeliverableConsumer.Queue);
        bus.DirectorEndpoint(context, DeadLetterConsumer.Queue, endpoint =>
        {
            // Each may be as large as a broker takes.
            endpoint.PrefetchCount = 8;
            endpoint.ConfigureConsumer<DeadLetterConsumer>(context);
        });
        bus.CommandEndpoints(context);
    }

    /// <summary>Maps the HTTP interface.</summary>
    public static void MapDirector(this WebApplication app)
    {
        app.UseExceptionHandler(new ExceptionHandlerOptions { SuppressDiagnosticsCallback = UnexpectedErrors.IsQuiet });
        app.UseStatusCodePages(Problems.AnswerAsync);
        app.MapRuntimes();
        app.MapConfigurations();
        app.MapCredentials();
        app.MapRollouts();
        app.MapDrift();
        app.MapDeadLetters();
        app.MapHealth();
    }

    /// <summary>Messages of one rollout follow each other here, instead of waiting for its row with a connection each.</summary>
    private static void PartitionByRollout(this IReceiveEndpointConfigurator endpoint)
    {
        var partitioner = endpoint.CreatePartitioner(RolloutsAtOnce);
        endpoint.UsePartitioner<RolloutPlanned>(partitioner, context => context.Message.RolloutId);
        endpoint.UsePartitioner<DispatchNext>(partitioner, context => context.Message.RolloutId);
        endpoint.UsePartitioner<TargetsProgressed>(partitioner, context => context.Message.RolloutId);
        endpoint.UsePartitioner<RolloutDue>(partitioner, context => context.Message.RolloutId);
        endpoint.UsePartitioner<RolloutActionRequested>(partitioner, context => context.Message.RolloutId);
    }

    private static void BatchEndpoint<TConsumer>(this IBusFactoryConfigurator bus, IBusRegistrationContext context, string queue)
        where TConsumer : class, IConsumer =>
        bus.DirectorEndpoint(context, queue, endpoint =>
        {
            endpoint.PrefetchCount = BatchLimit * BatchesAtOnce;
            endpoint.ConfigureConsumer<TConsumer>(context, consumer => consumer.Options<BatchOptions>(batch => batch
                .SetMessageLimit(BatchLimit).SetTimeLimit(BatchTime).SetConcurrencyLimit(BatchesAtOnce)));
        });
}
