using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace Governor.Director.Operations;

/// <summary>The program cannot start with what it was given. The message says why, in a line for each reason; nobody needs a
/// stack trace.</summary>
internal sealed class StartException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Starts a web program so that whatever keeps it from starting is said once.</summary>
internal sealed class StartUp
{
    private const string HostCategory = "Microsoft.Extensions.Hosting.Internal.Host";

    private volatile bool started;

    /// <summary>To be made before the program is built: until it has started, what goes wrong reaches <see cref="RunAsync"/> as an
    /// exception, and the host does not log the same with a stack trace.</summary>
    public StartUp(WebApplicationBuilder builder) => 
        builder.Logging.AddFilter(HostCategory, level => started && level >= LogLevel.Warning);

    /// <summary>Validates the settings.</summary>
    /// <exception cref="StartException">A setting has the wrong form or breaks a rule.</exception>
    public static void CheckSettings(IServiceProvider services)
    {
        try
        {
            services.GetService<IStartupValidator>()?.Validate();
        }
        catch (OptionsValidationException e)
        {
            throw new StartException(Lines(e.Failures), e);
        }
        catch (AggregateException e) when (e.InnerExceptions.All(inner => inner is OptionsValidationException))
        {
            throw new StartException(
                Lines(e.InnerExceptions.Cast<OptionsValidationException>().SelectMany(inner => inner.Failures)), e);
        }
        catch (InvalidOperationException e)
        {
            // The binder's, which names the key.
            throw new StartException($"{e.Message} Durations are written hh:mm:ss; Drift__Mode is off, detect or heal.", e);
        }
    }

    /// <summary>Runs until it is told to stop.</summary>
    /// <exception cref="StartException">It cannot listen where it should.</exception>
    public async Task RunAsync(WebApplication app)
    {
        try
        {
            await app.StartAsync();
        }
        catch (Exception e)
        {
            // What has started already ends before its services are disposed of; nothing of it is worth a long wait.
            await app.StopAsync(TimeSpan.FromSeconds(1));
            if (e is IOException or SocketException or FormatException or ArgumentOutOfRangeException { ParamName: "port" })
            {
                throw new StartException(
                    $"It cannot listen at Urls={app.Configuration["Urls"]}: {e.Message.TrimEnd('.')}. Choose another address, for example Urls=http://localhost:8090.", e);
            }

            throw;
        }

        started = true;
        await app.WaitForShutdownAsync();
    }

    private static string Lines(IEnumerable<string> failures) => string.Join(Environment.NewLine, failures);
}
