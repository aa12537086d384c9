using System.Buffers.Binary;
using System.Security.Cryptography;
using MassTransit.Courier.Contracts;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Tells the steps of a routing slip apart.</summary>
/// <remarks>
/// A slip keeps its message id on the way through all its activities. One that visits an activity twice, or compensates it twice, would
/// be a duplicate the second time, and go no further. A step that is delivered again is one: nothing in the slip has changed.
/// </remarks>
internal static class RoutingSlipSteps
{
    /// <summary>The consumer of a message in the inbox; for a routing slip, of this step only.</summary>
    /// <param name="message">The received message.</param>
    /// <param name="consumerId">The consumer, or the activity, on its endpoint.</param>
    public static Guid ConsumerOf(object message, Guid consumerId)
    {
        if (message is not RoutingSlip slip)
            return consumerId;

        // Each executed activity adds a log, and each compensated one takes one away.
        const int idSize = 16;
        Span<byte> step = stackalloc byte[idSize + (2 * sizeof(int))];
        consumerId.TryWriteBytes(step);
        BinaryPrimitives.WriteInt32LittleEndian(step[idSize..], slip.ActivityLogs?.Count ?? 0);
        BinaryPrimitives.WriteInt32LittleEndian(step[(idSize + sizeof(int))..], slip.CompensateLogs?.Count ?? 0);
        return new Guid(SHA256.HashData(step).AsSpan(0, idSize));
    }
}
