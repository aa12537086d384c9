using MassTransit.Transports;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A bus whose messages wait in the outbox of a DbContext.</summary>
internal sealed record OutboxBus<TDbContext>(IBusInstance Instance);

/// <summary>The buses that share the outbox of a DbContext; what is sent goes over the one that its address belongs to.</summary>
internal sealed class OutboxBuses<TDbContext>
{
    private readonly IBusControl[] _buses;

    public OutboxBuses(IEnumerable<OutboxBus<TDbContext>> buses) =>
        _buses = [.. buses.Select(bus => bus.Instance.BusControl).Distinct()];

    /// <summary>Whether none of them is cut off from its broker.</summary>
    public bool AreUp => Array.TrueForAll(_buses, bus => bus.CheckHealth().Status != BusHealthStatus.Unhealthy);

    /// <summary>Whether all of them are well: a bus with endpoints is degraded, not unhealthy, after it lost its connection.</summary>
    public bool AreHealthy => Array.TrueForAll(_buses, bus => bus.CheckHealth().Status == BusHealthStatus.Healthy);

    public Task<ISendEndpoint> GetSendEndpoint(Uri address) =>
        (_buses.Length == 1 ? _buses[0] : Array.Find(_buses, bus => IsOn(bus.Address, address)) ?? _buses[0]).GetSendEndpoint(address);

    // The same broker and virtual host: all of a bus's addresses differ in their last segment only.
    private static bool IsOn(Uri bus, Uri address) =>
        address.IsAbsoluteUri && Uri.Compare(bus, address, UriComponents.SchemeAndServer, UriFormat.SafeUnescaped, StringComparison.OrdinalIgnoreCase) == 0
        && string.Concat(bus.Segments[..^1]) == string.Concat(address.Segments[..^1]);
}
