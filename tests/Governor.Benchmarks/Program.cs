using System.CommandLine;
using Governor.Benchmarks;

var json = new Option<bool>("--json") { Description = "Print one JSON object per line instead of a table." };
var only = new Option<string[]>("--case")
{
    Description = "Run only the groups that hold these cases, for example --case saga-1 backlog.",
    AllowMultipleArgumentsPerToken = true,
};
var runs = new Option<int>("--runs") { Description = "Measured runs of each case, at least 1; one more is made first and not counted.", DefaultValueFactory = _ => 5 };
runs.Validators.Add(result =>
{
    if (result.GetValueOrDefault<int>() < 1)
        result.AddError("--runs must be at least 1.");
});

var outbox = new Command("outbox", "Measure Governor.Messaging.EntityFrameworkCore against the limits of the same servers, in one run.") { json, only, runs };
outbox.SetAction((result, cancellationToken) => OutboxBenchmark.RunAsync(
    result.GetValue(runs), result.GetValue(only) ?? [], result.GetValue(json), cancellationToken));

// The other process of the latency cases; reads what to write from its standard input.
var writer = new Command("latency-writer", "Used by the program itself.") { Hidden = true };
writer.SetAction((_, cancellationToken) => LatencyWriter.RunAsync(cancellationToken));

return await new RootCommand("Benchmarks of the Governor, on real RabbitMQ and PostgreSQL: those that GOVERNOR_TEST_* names, else those of infra/servers.sh.")
{
    outbox, writer,
}.Parse(args).InvokeAsync();
