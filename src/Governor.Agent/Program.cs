using Governor.Agent;
using Governor.Messaging;
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
