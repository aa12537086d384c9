using System.CommandLine;
using Governor.Local;

var reset = new Option<bool>("--reset") { Description = "Forget the state of former runs and start clean." };
var runtimes = new Option<int>("--runtimes")
{
    Description = $"Number of runtimes in the fleet, 1 to {LocalFleet.MaxRuntimes}.",
    DefaultValueFactory = _ => LocalFleet.DefaultRuntimes,
};
runtimes.Validators.Add(result =>
{
    if (result.GetValueOrDefault<int>() is < 1 or > LocalFleet.MaxRuntimes)
        result.AddError($"--runtimes must be a whole number from 1 to {LocalFleet.MaxRuntimes}.");
});
var command = new RootCommand(
    "A Director and a fleet of Agents in one process, on an embedded broker and database. Its state lies in .governor below the current folder. "
    + "Settings of Director and Agents are read from the environment too, for example Urls or Drift__Interval.")
{
    reset, runtimes,
};
command.SetAction(async (parsed, cancellationToken) =>
    await LocalApplication.RunAsync(parsed.GetValue(reset), parsed.GetValue(runtimes), cancellationToken));
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
