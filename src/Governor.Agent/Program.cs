using Governor.Agent;
using Governor.Messaging;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

if (args.Any(arg => arg is "--help" or "-h" or "-?"))
{
    Console.WriteLine(AgentHelp.Text);
    return 0;
}

try
{
    var builder = Host.CreateApplicationBuilder(args);
    // The lowest of all settings: libraries say what is wrong, not what they do.
    builder.Configuration.Sources.Insert(0, new MemoryConfigurationSource
    {
        InitialData = new Dictionary<string, string?> { ["Logging:LogLevel:MassTransit"] = "Warning" },
    });
    builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(10));
    builder.Services.AddGovernorBus(builder.Configuration, bus =>
        bus.AddAgents([AgentOptions.Read(builder.Configuration.GetSection(AgentOptions.Section))]));

    using var host = builder.Build();
    // Before the host starts, which would log a stack trace for what is one line.
    host.Services.GetService<IStartupValidator>()?.Validate();
    host.Services.GetRequiredService<AgentFleet>();
    await host.RunAsync();
    return 0;
}
catch (Exception e) when (e is AgentSettingsException or OptionsValidationException)
{
    await Console.Error.WriteLineAsync(e.Message);
    return 1;
}
