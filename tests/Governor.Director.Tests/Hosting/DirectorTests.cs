using System.Globalization;
using Governor.Contracts;
using Governor.Director.Rollouts;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Hosting;

/// <summary>Tests that have a Director of their own each. When one ends, what must hold always is looked at.</summary>
public abstract class DirectorTests : IAsyncLifetime
{
    private DirectorHost? host;

    private protected DirectorHost Host => host!;

    private protected virtual (string Key, string Value)[] Settings => [];

    public async ValueTask InitializeAsync() => host = await DirectorHost.StartAsync(Settings);

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (host is null)
            return;
        try
        {
            await CountersEqualTheTargetsAsync();
            Assert.Empty(Host.Ear.Of<DeadLettered>().Select(letter => $"{letter.Source}: {letter.Reason}"));
            foreach (var runtimeId in Fleet.Runtimes)
                GenerationsOnlyGrow(Host[runtimeId]);
        }
        finally
        {
            await host.DisposeAsync();
        }
    }

    private static void GenerationsOnlyGrow(FakeAgent agent)
    {
        var generations = agent.Updates.Select(update => update.Generation).ToList();
        Assert.Equal(generations.Order().Distinct(), generations);
    }

    private async Task CountersEqualTheTargetsAsync()
    {
        var counted = new SortedSet<string>(StringComparer.Ordinal);
        var listed = new SortedSet<string>(StringComparer.Ordinal);
        await Host.ChangeAsync(async db =>
        {
            foreach (var wave in await db.Waves.AsNoTracking().ToListAsync())
                counted.UnionWith(wave.PerState().Where(s => s.Count != 0).Select(s => Line(wave.RolloutId, wave.Wave, s.State, s.Count)));
            var groups = await db.Targets.GroupBy(t => new { t.RolloutId, t.Wave, t.State })
                .Select(g => new { g.Key, Count = g.Count() }).ToListAsync();
            listed.UnionWith(groups.Select(g => Line(g.Key.RolloutId, g.Key.Wave, g.Key.State, g.Count)));
        });
        Assert.Equal(listed, counted);
    }

    private static string Line(Guid rolloutId, int wave, TargetState state, int count) =>
        string.Create(CultureInfo.InvariantCulture, $"{rolloutId} wave {wave}: {count} {state}");
}
