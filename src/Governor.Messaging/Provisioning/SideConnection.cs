using Microsoft.Extensions.Options;
using RabbitMQ.Client;

namespace Governor.Messaging;

/// <summary>A connection to the broker beside the bus's, for what the bus cannot do. Made when it is needed, and again when it
/// was lost.</summary>
internal sealed class SideConnection(IOptions<RabbitMqOptions> options) : IAsyncDisposable
{
    private readonly SemaphoreSlim _connecting = new(1);
    private IConnection? _connection;

    public async Task<IConnection> OpenAsync(CancellationToken cancellationToken)
    {
        await _connecting.WaitAsync(cancellationToken);
        try
        {
            if (_connection is { IsOpen: true })
                return _connection;

            if (_connection is not null)
                await _connection.DisposeAsync();
            var factory = options.Value.Address.CreateConnectionFactory();
            factory.AutomaticRecoveryEnabled = false; // a lost connection fails the call, and the next one makes another
            factory.ClientProvidedName = $"{AppDomain.CurrentDomain.FriendlyName} provisioning";
            _connection = null;
            return _connection = await factory.CreateConnectionAsync(cancellationToken);
        }
        finally
        {
            _connecting.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_connection is not null)
            await _connection.DisposeAsync();
        _connecting.Dispose();
    }
}
