using Governor.Director;
using Governor.Director.Credentials;
using Governor.Director.Operations;
using Governor.Messaging;

if (args.Any(arg => arg is "--help" or "-h" or "-?"))
{
    Console.WriteLine(DirectorHelp.Text);
    return 0;
}

try
{
    if (args is [RestoredCommand.Name, .. var rest])
    {
        await RestoredCommand.RunAsync(rest, TimeProvider.System, Console.Out);
        return 0;
    }

    if (args is [CertificateCommand.Name, .. var file])
    {
        await CertificateCommand.RunAsync(file, TimeProvider.System, Console.Out);
        return 0;
    }

    var builder = WebApplication.CreateBuilder(args);
    var start = new StartUp(builder);
    builder.ListenOnLoopbackByDefault();
    builder.AddDirectorOnPostgres();
    builder.Services.AddGovernorBus(builder.Configuration, bus => bus.AddDirector(onPostgres: true));
    builder.Services.StartOnceSchemaIsThere();

    await using var app = builder.Build();
    StartUp.CheckSettings(app.Services);
    app.MapDirector();
    app.SayWhereItListens();
    await start.RunAsync(app);
    return Environment.ExitCode; // not 0 where something had to stop it
}
catch (StartException e)
{
    await Console.Error.WriteLineAsync(e.Message);
    return 1;
}
