using System.CommandLine;
using System.CommandLine.Invocation;
using System.Globalization;
using Governor.Local;

var reset = new Option<bool>("--reset") { Description = "Forget the state of former runs and start clean." };
var runtimes = new Option<int>("--runtimes")
{
    Description = $"Number of runtimes in the fleet, 1 to {LocalFleet.MaxRuntimes}.",
    HelpName = "number",
    DefaultValueFactory = _ => LocalFleet.DefaultRuntimes,
    CustomParser = result =>
    {
        if (int.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number is >= 1 and <= LocalFleet.MaxRuntimes)
        {
            return number;
        }

        result.AddError($"--runtimes must be a whole number from 1 to {LocalFleet.MaxRuntimes}.");
        return 0;
    },
};
var command = new RootCommand(
    """
    The whole Governor in one process: a Director and a fleet of Agents, on an embedded broker and database.
      Its state lies in .governor below the current folder, and survives a restart.
      Settings are read from the environment, for example Urls (http://localhost:8080) or Drift__Interval (00:00:15).
    """)
{
    reset, runtimes,
};
command.SetAction(async (parsed, cancellationToken) =>
    await LocalApplication.RunAsync(parsed.GetValue(reset), parsed.GetValue(runtimes), cancellationToken));
var parsedArguments = command.Parse(args);
if (parsedArguments.Action is ParseErrorAction wrong)
    wrong.ShowHelp = false; // the error alone; --help shows the rest
return await parsedArguments.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
