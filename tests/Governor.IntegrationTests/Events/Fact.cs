using Governor.IntegrationTests.Crashes;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Events;

/// <summary>Something that happened once: the event that tells it, and what that event must say.</summary>
internal sealed record Fact(string Event, params (string Property, string Value)[] Says)
{
    public override string ToString() => $"{Event}({string.Join(", ", Says.Select(s => $"{s.Property} {s.Value}"))})";

    /// <summary>The deliveries that tell of it.</summary>
    public IReadOnlyList<Delivered> In(ForeignSubscriber subscriber) =>
        [.. subscriber.Deliveries.Where(d => d.Event == Event && Array.TrueForAll(Says, s =>
            d.Message.TryGetProperty(s.Property, out var value) && value.ToString() == s.Value))];
}

/// <summary>The promise of the public events.</summary>
internal static class OncePerFact
{
    /// <summary>Fails unless each fact is told, by exactly one message, however often that goes over the wire.</summary>
    public static async Task AssertAsync(ForeignSubscriber subscriber, Rows rows, IReadOnlyList<Fact> facts)
    {
        await Eventually.TrueAsync(
            () => Task.FromResult(facts.All(fact => fact.In(subscriber).Count > 0)), RunningDirector.Patience,
            () => $"these are told too: {string.Join("; ", facts.Where(fact => fact.In(subscriber).Count == 0))}");

        // What the Director still had to say it has said, and what it said has come.
        await Eventually.TrueAsync(
            async () => await rows.ScalarAsync<long>("SELECT count(*) FROM outbox_message") == 0, RunningDirector.Patience, "an empty outbox");
        await subscriber.CatchUpAsync();
        Assert.All(facts, fact => Assert.Single(fact.In(subscriber).Select(d => d.MessageId).Distinct(StringComparer.Ordinal)));
    }
}
