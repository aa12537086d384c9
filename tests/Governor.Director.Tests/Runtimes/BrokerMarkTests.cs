using Governor.Director.Persistence;
using Governor.Director.Runtimes;
using Governor.Director.Tests.Hosting;
using Governor.Messaging;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Governor.Director.Tests.Runtimes;

/// <summary>A broker without its mark was wiped: the whole fleet is provisioned again.</summary>
public sealed class BrokerMarkTests : DirectorTests
{
    [Fact]
    public async Task Given_a_broker_without_its_mark_When_it_is_looked_at_Then_all_runtimes_are_provisioned_again_and_it_is_marked()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.ChangeAsync(db => db.Runtimes.Where(r => r.RuntimeId == "eu-1")
            .ExecuteUpdateAsync(set => set.SetProperty(r => r.State, RuntimeState.Provisioning)));
        var broker = new Broker();

        await CheckAsync(broker);
        await CheckAsync(broker);

        Assert.Equal(1, broker.Marks);
        await Host.UntilRuntimeAsync("eu-1", r => r.State == RuntimeState.Ready, "ready, because it was provisioned again");
    }

    [Fact]
    public async Task Given_a_broker_that_does_not_answer_When_it_is_looked_at_Then_nothing_fails_and_nothing_is_provisioned()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.ChangeAsync(db => db.Runtimes.ExecuteUpdateAsync(set => set.SetProperty(r => r.State, RuntimeState.Provisioning)));
        var broker = new Broker { IsSilent = true };

        await CheckAsync(broker);

        Assert.Equal(0, broker.Marks);
        Assert.Equal(RuntimeState.Provisioning, (await Host.RuntimeAsync("eu-1")).State);
    }

    private Task CheckAsync(Broker broker) => Host.InScopeAsync(services => new BrokerMark(
        services.GetRequiredService<DirectorDbContext>(), broker, services.GetRequiredService<IPublishEndpoint>(),
        NullLogger<BrokerMark>.Instance).CheckAsync(TestContext.Current.CancellationToken));

    private sealed class Broker : IRuntimeProvisioner
    {
        public int Marks { get; private set; }

        public bool IsSilent { get; init; }

        public Task<bool> IsMarkedAsync(CancellationToken cancellationToken) =>
            IsSilent ? throw new TimeoutException("It does not answer.") : Task.FromResult(Marks > 0);

        public Task MarkAsync(CancellationToken cancellationToken)
        {
            Marks++;
            return Task.CompletedTask;
        }

        public Task ProvisionAsync(IReadOnlyCollection<string> runtimeIds, CancellationToken cancellationToken) =>
            throw new NotSupportedException("The bus provisions.");

        public Task DeprovisionAsync(string runtimeId, CancellationToken cancellationToken) =>
            throw new NotSupportedException("The bus provisions.");
    }
}
