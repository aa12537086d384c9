using Governor.Agent;
using Governor.Messaging;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;

namespace Governor.IntegrationTests.Fleet;

/// <summary>Many Agents in this process, of the same code as the program of one.</summary>
internal static class AgentHost
{
    /// <summary>Starts Agents on a sandbox's broker. Disposing the host ends them.</summary>
    public static async Task<IHost> StartAsync(Sandbox sandbox, IEnumerable<AgentFolder> folders)
    {
        var builder = Host.CreateEmptyApplicationBuilder(settings: null);
        builder.Configuration.AddInMemoryCollection([KeyValuePair.Create<string, string?>("ConnectionStrings:RabbitMq", sandbox.RabbitMq)]);
        builder.Services.AddGovernorBus(builder.Configuration, bus => bus.AddAgents([.. folders.Select(f => f.Options())]));
        var host = builder.Build();
        await host.StartAsync(CancellationToken.None);
        return host;
    }
}
