using System.Data.Common;
using System.Reflection;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Governor.Survival.Tests.Sql;

/// <summary>What a Director on a database has sent, and whether it is to die over its next commit.</summary>
internal sealed class Sink
{
    public List<object> Sent { get; } = [];

    public bool DiesAtCommit { get; set; }
}

/// <summary>Stands for the transactional outbox of one scope: what is published leaves only if it was published before a save,
/// and that was committed.</summary>
internal sealed class Outbox(Sink sink) : DbTransactionInterceptor, ISaveChangesInterceptor
{
    private readonly List<object> published = [];
    private readonly List<object> saved = [];

    /// <summary>Whether something was published that will never be sent.</summary>
    public bool HasLost => published.Count + saved.Count > 0;

    public void Publish(object message) => published.Add(message);

    public ValueTask<int> SavedChangesAsync(SaveChangesCompletedEventData eventData, int result, CancellationToken cancellationToken = default)
    {
        saved.AddRange(published);
        published.Clear();
        if (eventData.Context!.Database.CurrentTransaction is null)
            Send();
        return ValueTask.FromResult(result);
    }

    public override ValueTask<InterceptionResult> TransactionCommittingAsync(
        DbTransaction transaction, TransactionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default) =>
        sink.DiesAtCommit ? throw new DirectorDiedException() : ValueTask.FromResult(result);

    public override Task TransactionCommittedAsync(
        DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        Send();
        return Task.CompletedTask;
    }

    public override Task TransactionRolledBackAsync(
        DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        saved.Clear();
        return Task.CompletedTask;
    }

    private void Send()
    {
        sink.Sent.AddRange(saved);
        saved.Clear();
    }
}

/// <summary>The Director has died here.</summary>
internal sealed class DirectorDiedException : Exception;

/// <summary>Answers what a Director asks of the bus: takes what is published, and tells the message that is consumed.</summary>
#pragma warning disable CA1852 // The proxy is a type derived from this one, made as the test runs.
internal class BusProxy : DispatchProxy
#pragma warning restore CA1852
{
    private Action<object> publish = _ => { };
    private object? message;

    /// <summary>A publish endpoint, or a consume context.</summary>
    public static T Of<T>(Action<object> publish, object? message = null)
        where T : class
    {
        var proxy = Create<T, BusProxy>();
        ((BusProxy)(object)proxy).publish = publish;
        ((BusProxy)(object)proxy).message = message;
        return proxy;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        switch (targetMethod!.Name)
        {
            case "get_Message":
                return message;
            case "get_CancellationToken":
                return CancellationToken.None;
            case "Publish":
                publish(args![0]!);
                return Task.CompletedTask;
            default:
                throw new NotSupportedException($"Nothing here answers {targetMethod}.");
        }
    }
}
