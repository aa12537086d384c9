using System.Net;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Governor.Director.Operations;

/// <summary>Where the HTTP interface listens. There is no log-in yet, so it is loopback unless told otherwise.</summary>
internal static partial class Listen
{
    public const string DefaultUrl = "http://localhost:8080";

    public static void ListenOnLoopbackByDefault(this WebApplicationBuilder builder)
    {
        if (string.IsNullOrWhiteSpace(builder.Configuration["Urls"]))
            builder.WebHost.UseUrls(DefaultUrl);
    }

    /// <summary>Says at start who can reach the interface.</summary>
    public static void SayWhereItListens(this WebApplication app) => app.Lifetime.ApplicationStarted.Register(() =>
    {
        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses ?? [];
        foreach (var address in addresses)
        {
            if (IsLoopback(address))
                LogLoopback(app.Logger, address);
            else
                LogOpen(app.Logger, address);
        }
    });

    /// <summary>Whether only this machine reaches an address.</summary>
    public static bool IsLoopback(string address) =>
        BindingAddress.Parse(address) is var binding
        && (binding.Host == "localhost" || (IPAddress.TryParse(binding.Host, out var ip) && IPAddress.IsLoopback(ip)));

    [LoggerMessage(2503, LogLevel.Information,
        "Listening on {Address}: this machine only, because there is no log-in yet")]
    private static partial void LogLoopback(ILogger logger, string address);

    [LoggerMessage(2504, LogLevel.Warning,
        "Listening on {Address}: there is no log-in yet, whoever reaches this address can change the fleet")]
    private static partial void LogOpen(ILogger logger, string address);
}
