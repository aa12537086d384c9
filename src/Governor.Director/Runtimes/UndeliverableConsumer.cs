using Governor.Contracts;
using Governor.Director.Configurations;
using Governor.Messaging;
using MassTransit;

namespace Governor.Director.Runtimes;

/// <summary>Takes in batches what was published for runtimes without a queue. The messages themselves are not needed: they
/// are hints, and <see cref="Undeliverable"/> sees to it that the whole is sent again.</summary>
internal sealed class UndeliverableConsumer(IServiceScopeFactory scopes) :
    IConsumer<Batch<ConfigurationUpdated>>, IConsumer<Batch<CredentialRotated>>, IConsumer<Batch<ReportRequested>>
{
    /// <summary>Name of the queue, behind the alternate exchange.</summary>
    public const string Queue = Topology.Undeliverable;

    public Task Consume(ConsumeContext<Batch<ConfigurationUpdated>> context) => HandleAsync(
        context.Message.Select(m => (m.Message.RuntimeId, m.Message.Generation)), context.CancellationToken);

    public Task Consume(ConsumeContext<Batch<CredentialRotated>> context) => HandleAsync(
        context.Message.Select(m => (m.Message.RuntimeId, m.Message.Generation)), context.CancellationToken);

    public Task Consume(ConsumeContext<Batch<ReportRequested>> context) => HandleAsync(
        context.Message.Select(m => (m.Message.RuntimeId, Undeliverable.NoGeneration)), context.CancellationToken);

    private async Task HandleAsync(IEnumerable<(string RuntimeId, long Generation)> messages, CancellationToken cancellationToken)
    {
        var newest = messages.Where(m => DnsLabel.IsValid(m.RuntimeId))
            .GroupBy(m => m.RuntimeId, StringComparer.Ordinal)
            .ToDictionary(g => g.Key, g => g.Max(m => m.Generation), StringComparer.Ordinal);
        await using var scope = scopes.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<Undeliverable>().HandleAsync(newest, cancellationToken);
    }
}
