using System.Data.Common;
using System.Net.Sockets;
using RabbitMQ.Client.Exceptions;

namespace Governor.Messaging;

/// <summary>Tells a database or broker that is away from a message that is bad.</summary>
internal static class Outage
{
    /// <summary>Reply codes with which a broker ends a connection for reasons of its own.</summary>
    private static readonly HashSet<ushort> BrokerGone = [320, 541];

    /// <summary>Whether the exception, or what caused it, says that a server is away: the same will go well once it is
    /// back.</summary>
    public static bool Is(Exception exception) => exception switch
    {
        DbException { SqlState: { Length: 5 } state } when IsBusy(state) => false,
        DbException { IsTransient: true } => true,
        DbException { SqlState: { Length: 5 } state } when IsAway(state) => true,
        BrokerUnavailableException or BrokerUnreachableException or SocketException => true,
        AlreadyClosedException { ShutdownReason: var reason } => reason is null || BrokerGone.Contains(reason.ReplyCode),
        OperationInterruptedException { ShutdownReason: { } reason } => BrokerGone.Contains(reason.ReplyCode),
        AggregateException many => many.InnerExceptions.Any(Is),
        { InnerException: { } inner } => Is(inner),
        _ => false,
    };

    /// <summary>A deadlock or a failed serialization (40), a lock that is not to be had (55), a statement that took too long
    /// (57014): the database is there. The usual retries follow, and in the end a dead letter.</summary>
    private static bool IsBusy(string state) => state[..2] is "40" or "55" || state == "57014";

    /// <summary>No connection (08), no such database or no access to it yet (3D, 28), out of resources (53), ended by an
    /// operator (57), trouble of the machine (58), or a standby that was not promoted yet (25006).</summary>
    private static bool IsAway(string state) => state[..2] is "08" or "28" or "3D" or "53" or "57" or "58" || state == "25006";
}
