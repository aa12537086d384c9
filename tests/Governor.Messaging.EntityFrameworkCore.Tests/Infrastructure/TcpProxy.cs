using System.Net;
using System.Net.Sockets;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>Stands between a bus and its broker, so that a test can take the broker away and bring it back.</summary>
public sealed class TcpProxy : IAsyncDisposable
{
    private readonly int _target;
    private CancellationTokenSource _open = new();
    private Task _running = Task.CompletedTask;

    private TcpProxy(int port, int target) => (Port, _target) = (port, target);

    /// <summary>Where to connect; refused until <see cref="Open"/>.</summary>
    public int Port { get; }

    public static TcpProxy To(int target)
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return new TcpProxy(((IPEndPoint)probe.LocalEndpoint).Port, target);
    }

    public void Open()
    {
        _open = new CancellationTokenSource();
        var listener = new TcpListener(IPAddress.Loopback, Port);
        listener.Start();
        _running = AcceptAsync(listener, _open.Token);
    }

    /// <summary>Cuts every connection and refuses new ones.</summary>
    public async Task CloseAsync()
    {
        await _open.CancelAsync();
        await _running;
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        _open.Dispose();
    }

    private async Task AcceptAsync(TcpListener listener, CancellationToken closed)
    {
        var connections = new List<Task>();
        try
        {
            while (true)
                connections.Add(ForwardAsync(await listener.AcceptTcpClientAsync(closed), closed));
        }
        catch (OperationCanceledException)
        {
            listener.Stop();
        }

        await Task.WhenAll(connections);
    }

    private async Task ForwardAsync(TcpClient client, CancellationToken closed)
    {
        using (client)
        using (var server = new TcpClient())
        {
            try
            {
                await server.ConnectAsync(IPAddress.Loopback, _target, closed);
                var (inner, outer) = (client.GetStream(), server.GetStream());
                await Task.WhenAny(inner.CopyToAsync(outer, closed), outer.CopyToAsync(inner, closed));
            }
            catch (Exception exception) when (exception is OperationCanceledException or IOException or SocketException)
            {
                // Either side went away: so does the other.
            }
        }
    }
}
