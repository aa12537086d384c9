using FsCheck;
using FsCheck.Fluent;

namespace Governor.Survival.Tests;

/// <summary>Runs many histories, each with a seed of its own. A failure tells the seed, the smallest part of the history that
/// fails in the same way, and what happens in it.</summary>
internal static class Survival
{
    /// <summary>Set to a seed, it makes every test run the history of that seed alone, or as many from there as the other says.</summary>
    private const string SeedVariable = "GOVERNOR_SURVIVAL_SEED";

    /// <summary>Set to a number, it makes each test run so many histories: for a long search.</summary>
    private const string CountVariable = "GOVERNOR_SURVIVAL_HISTORIES";

    /// <summary>The size that generators get; these do not depend on it.</summary>
    private const int Size = 50;

    /// <summary>Runs histories of new seeds until one fails.</summary>
    /// <param name="histories">How many.</param>
    /// <param name="run">Runs one; takes what happens, where it is to be told.</param>
    /// <param name="mostOperations">Most operations of one.</param>
    public static void Check(int histories, Action<History, Trace?> run, int mostOperations = 40)
    {
        var first = (ulong)Random.Shared.NextInt64();
        if (Environment.GetEnvironmentVariable(SeedVariable) is { Length: > 0 } only)
            (first, histories) = (ulong.Parse(only), 1);
        if (Environment.GetEnvironmentVariable(CountVariable) is { Length: > 0 } count)
            histories = int.Parse(count);
        if (Find(first, histories, run, mostOperations) is { } found)
            Assert.Fail(Explain(found.Seed, found.History, found.Failure, run));
    }

    /// <summary>The first history that fails.</summary>
    public static (ulong Seed, History History, Exception Failure)? Find(
        ulong first, int histories, Action<History, Trace?> run, int mostOperations = 40)
    {
        for (var i = 0; i < histories; i++)
        {
            var seed = first + (ulong)i;
            var history = Of(seed, mostOperations);
            if (Failure(history, run) is { } failure)
                return (seed, history, failure);
        }

        return null;
    }

    /// <summary>The history of a seed.</summary>
    public static History Of(ulong seed, int mostOperations = 40) => Histories.Any(mostOperations).Sample(1, new Rnd(seed), Size).Single();

    private static Exception? Failure(History history, Action<History, Trace?> run)
    {
        try
        {
            run(history, null);
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }

    private static string Explain(ulong seed, History history, Exception failure, Action<History, Trace?> run)
    {
        while (Histories.Smaller(history).Select(h => (History: h, Failure: Failure(h, run)))
            .FirstOrDefault(h => h.Failure is not null && Kind(h.Failure) == Kind(failure)) is { Failure: not null } smaller)
        {
            (history, failure) = smaller;
        }

        var trace = new Trace();
        Assert.ThrowsAny<Exception>(() => run(history, trace));
        return $"""
            {failure}

            Seed {seed}. To run its whole history again: {SeedVariable}={seed} with this test.
            The smallest part of it that was found to fail:
            {history}

            What happens in it:
            {trace}
            """;
    }

    private static string Kind(Exception failure) => (failure as CounterexampleException)?.Invariant ?? failure.GetType().Name;
}
