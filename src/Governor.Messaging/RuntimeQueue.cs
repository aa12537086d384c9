using System.Buffers;
using System.Collections.Frozen;

namespace Governor.Messaging;

/// <summary>The queue of one runtime. Its arguments are stated by the Director, which provisions it, and again by the Agent,
/// which consumes it; the broker refuses the second of two that differ, so they can never change.</summary>
public static class RuntimeQueue
{
    /// <summary>Most messages that a runtime's queue keeps; of more, the oldest goes. Only the newest matters: each carries
    /// everything that the runtime should hold.</summary>
    public const int MaxLength = 16;

    /// <summary>Longest runtime id, in characters: that of a DNS label.</summary>
    public const int MaxRuntimeIdLength = 63;

    internal const string Prefix = "runtime-";

    internal const string SingleActiveConsumer = "x-single-active-consumer";

    private static readonly SearchValues<char> RuntimeIdCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    private static readonly FrozenDictionary<string, object?> Limits = new Dictionary<string, object?>(StringComparer.Ordinal)
    {
        ["x-max-length"] = MaxLength,
        ["x-overflow"] = "drop-head",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Name of a runtime's queue, and of its endpoint's exchange.</summary>
    /// <param name="runtimeId">Id of the runtime: 1 to 63 of <c>a-z</c>, <c>0-9</c> and <c>-</c>.</param>
    /// <exception cref="ArgumentException">The id is none: it would name another queue, or none that a broker takes.</exception>
    public static string NameOf(string runtimeId) => IsRuntimeId(runtimeId)
        ? Prefix + runtimeId
        : throw new ArgumentException($"'{runtimeId}' is no runtime id; use 1 to {MaxRuntimeIdLength} of a-z, 0-9 and -.", nameof(runtimeId));

    /// <summary>Arguments of the queue, all but those for which MassTransit has a property of its own.</summary>
    internal static Dictionary<string, object?> LimitsFor(QueueType type)
    {
        var arguments = new Dictionary<string, object?>(Limits, StringComparer.Ordinal);
        type.AddTo(arguments);
        return arguments;
    }

    /// <summary>Arguments with which the queue is declared.</summary>
    internal static Dictionary<string, object?> ArgumentsFor(QueueType type)
    {
        var arguments = LimitsFor(type);
        arguments[SingleActiveConsumer] = true;
        return arguments;
    }

    private static bool IsRuntimeId(string text) =>
        text.Length is >= 1 and <= MaxRuntimeIdLength && !text.AsSpan().ContainsAnyExcept(RuntimeIdCharacters);
}
