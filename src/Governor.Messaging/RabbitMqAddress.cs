using System.Security.Authentication;
using MassTransit;
using RabbitMQ.Client;

namespace Governor.Messaging;

/// <summary>A broker's address, taken apart.</summary>
internal sealed class RabbitMqAddress
{
    private RabbitMqAddress(string host, int port, string virtualHost, string userName, string password, bool useTls) =>
        (Host, Port, VirtualHost, UserName, Password, UseTls) = (host, port, virtualHost, userName, password, useTls);

    public string Host { get; }

    public int Port { get; }

    public string VirtualHost { get; }

    public string UserName { get; }

    public string Password { get; }

    public bool UseTls { get; }

    /// <summary>Reads <c>amqp[s]://user:password@host:port/vhost</c>; user, password and virtual host are percent-decoded,
    /// an empty path is the virtual host <c>/</c>.</summary>
    /// <param name="text">The address.</param>
    /// <param name="mistake">What is wrong with it, without repeating any of it.</param>
    /// <returns>The address, or null if it is malformed.</returns>
    public static RabbitMqAddress? Parse(string text, out string mistake)
    {
        mistake = "";
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri))
            return Wrong("it is no URI (percent-encode special characters of the password)", out mistake);

        var useTls = uri.Scheme == "amqps";
        if (!useTls && uri.Scheme != "amqp")
            return Wrong("its scheme is neither amqp nor amqps", out mistake);
        if (uri.Host.Length == 0)
            return Wrong("it has no host", out mistake);
        if (uri.Query.Length > 0 || uri.Fragment.Length > 0)
            return Wrong("it has a query or a fragment (percent-encode ? and #)", out mistake);

        var user = uri.UserInfo.Split(':', 2);
        if (user.Length != 2 || user[0].Length == 0)
            return Wrong("it has no user and password", out mistake);

        var path = uri.AbsolutePath.TrimStart('/');
        if (path.Contains('/', StringComparison.Ordinal))
            return Wrong("its virtual host has a slash (percent-encode it as %2F)", out mistake);

        return new RabbitMqAddress(
            uri.IdnHost,
            uri.Port > 0 ? uri.Port : useTls ? 5671 : 5672,
            path.Length == 0 ? "/" : Uri.UnescapeDataString(path),
            Uri.UnescapeDataString(user[0]),
            Uri.UnescapeDataString(user[1]),
            useTls);
    }

    public void Configure(IRabbitMqBusFactoryConfigurator bus) =>
        bus.Host(Host, (ushort)Port, VirtualHost, AppDomain.CurrentDomain.FriendlyName, host =>
        {
            host.Username(UserName);
            host.Password(Password);
            if (UseTls)
            {
                host.UseSsl(ssl =>
                {
                    ssl.ServerName = Host;
                    ssl.Protocol = SslProtocols.None; // the operating system's choice
                });
            }
        });

    public ConnectionFactory CreateConnectionFactory() => new()
    {
        HostName = Host,
        Port = Port,
        VirtualHost = VirtualHost,
        UserName = UserName,
        Password = Password,
        Ssl = new SslOption(Host, enabled: UseTls),
    };

    private static RabbitMqAddress? Wrong(string what, out string mistake)
    {
        mistake = what;
        return null;
    }
}
