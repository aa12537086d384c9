using System.Security.Cryptography;
using System.Text;
using Governor.Contracts;
using RabbitMQ.Client;

namespace Governor.IntegrationTests;

/// <summary>Many Agents in one process, by raw AMQP: they take their runtimes' messages and report at once, without a
/// runtime behind them.</summary>
/// <remarks>They declare nothing, as Agents do: the Director must have made queues and exchanges before (its runtimes are
/// <c>ready</c>). Several channels over few connections; nothing waits for the broker's answer to a report, so thousands of
/// reports are under way at once.</remarks>
internal sealed class SimulatedFleet : IAsyncDisposable
{
    private const int ConnectionCount = 2;
    private const int ChannelsPerConnection = 4;

    // Longer than any test: a simulated Agent reports when something happens, never by the clock.
    private static readonly TimeSpan ReportInterval = TimeSpan.FromMinutes(30);

    private readonly Dictionary<string, SimulatedAgent> agents;
    private readonly List<IConnection> connections = [];
    private readonly List<SimulatedChannel> channels = [];

    private SimulatedFleet(IEnumerable<string> runtimeIds)
    {
        var key = NewKey(); // one for all: nothing here opens secrets
        agents = runtimeIds.ToDictionary(id => id, id => new SimulatedAgent(id, key, ReportInterval), StringComparer.Ordinal);
    }

    /// <summary>The Agents, by the ids of their runtimes.</summary>
    public IReadOnlyDictionary<string, SimulatedAgent> Agents => agents;

    /// <summary>Reports published until now, all Agents together.</summary>
    public long ReportCount => channels.Sum(channel => channel.ReportCount);

    /// <summary>What went wrong while a message was handled, if anything did: such a message is not acknowledged.</summary>
    public IReadOnlyList<Exception> Failures => [.. channels.SelectMany(channel => channel.Failures)];

    /// <summary>Starts one Agent per runtime: each consumes the runtime's queue and makes itself known.</summary>
    /// <param name="rabbitMq">AMQP address of the virtual host.</param>
    /// <param name="runtimeIds">The runtimes.</param>
    /// <param name="configure">Applied to each Agent before it starts, for example to let it fail.</param>
    public static async Task<SimulatedFleet> StartAsync(
        string rabbitMq, IEnumerable<string> runtimeIds, Action<SimulatedAgent>? configure = null)
    {
        var fleet = new SimulatedFleet(runtimeIds);
        try
        {
            foreach (var agent in fleet.agents.Values)
                configure?.Invoke(agent);
            await fleet.ConnectAsync(new Uri(rabbitMq));
            return fleet;
        }
        catch
        {
            await fleet.DisposeAsync();
            throw;
        }
    }

    /// <summary>Lets an Agent report now, though nothing happened, even if it is silent.</summary>
    public Task ReportAsync(string runtimeId) =>
        channels.Single(channel => channel.Serves(runtimeId)).ReportAsync(agents[runtimeId]);

    /// <summary>Ends all Agents. Messages that they have not handled stay in their queues.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var connection in connections)
            await connection.DisposeAsync();
    }

    private async Task ConnectAsync(Uri rabbitMq)
    {
        var factory = new ConnectionFactory { Uri = rabbitMq, ClientProvidedName = "simulated fleet" };
        var shares = agents.Values.Chunk(Math.Max(1, (agents.Count + ChannelCount - 1) / ChannelCount)).ToList();
        for (var i = 0; i < shares.Count; i++)
        {
            if (i < ConnectionCount)
                connections.Add(await factory.CreateConnectionAsync(CancellationToken.None));
            channels.Add(await SimulatedChannel.OpenAsync(connections[i % ConnectionCount], shares[i]));
        }

        await Task.WhenAll(channels.Select(channel => channel.StartAsync()));
    }

    private static int ChannelCount => ConnectionCount * ChannelsPerConnection;

    private static AgentPublicKey NewKey()
    {
        using var key = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        var (x, y) = (Base64Url(point.X!), Base64Url(point.Y!));
        var thumbprint = SHA256.HashData(Encoding.UTF8.GetBytes($$"""{"crv":"P-256","kty":"EC","x":"{{x}}","y":"{{y}}"}"""));
        return new AgentPublicKey(Base64Url(thumbprint), "EC", "P-256", x, y);
    }

    private static string Base64Url(byte[] bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);
}
