using Governor.Director;
using Governor.Director.Operations;
using Governor.Messaging;
using Microsoft.Extensions.Options;

if (args.Any(arg => arg is "--help" or "-h" or "-?"))
{
    Console.WriteLine(DirectorHelp.Text);
    return 0;
}

try
{
    var builder = WebApplication.CreateBuilder(args);
    builder.ListenOnLoopbackByDefault();
    builder.AddDirectorOnPostgres();
    builder.Services.AddGovernorBus(builder.Configuration, bus => bus.AddDirector(onPostgres: true));
    builder.Services.StartOnceSchemaIsThere();

    await using var app = builder.Build();
    // Before the host starts, which would log a stack trace for what is one line.
    app.Services.GetService<IStartupValidator>()?.Validate();
    app.MapDirector();
    app.SayWhereItListens();
    await app.RunAsync();
    return 0;
}
catch (OptionsValidationException e)
{
    await Console.Error.WriteLineAsync(string.Join(Environment.NewLine, e.Failures));
    return 1;
}
