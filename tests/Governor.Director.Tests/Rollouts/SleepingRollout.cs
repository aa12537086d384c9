using System.Text.Json;
using Governor.Director.Configurations;
using Governor.Director.Rollouts;
using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Rollouts;

/// <summary>A rollout that was accepted, and whose message has not come yet.</summary>
internal static class SleepingRollout
{
    public static async Task<Guid> GivenSleepingRolloutAsync(
        this DirectorHost host, string configuration, int revision, string redis, params string[] runtimeIds)
    {
        var now = host.Clock.GetUtcNow();
        var content = ConfigurationRequestParser.Parse(
            JsonSerializer.SerializeToUtf8Bytes(Change.To(redis))).Value!.Content;
        var rollout = new Rollout
        {
            CorrelationId = Guid.CreateVersion7(now), Tenant = "default", Item = configuration, Revision = revision,
            Waves = 1, Strategy = "allAtOnce", ProgressDeadline = TimeSpan.FromMinutes(10), RequestedBy = "me",
            CreatedAt = now, TouchedAt = now,
        };
        await host.ChangeAsync(async db =>
        {
            var row = await db.Configurations.FindAsync("default", configuration)
                ?? db.Add(new Configuration { Tenant = "default", Name = configuration, CreatedAt = now }).Entity;
            row.NewestRevision = Math.Max(row.NewestRevision, revision);
            db.Revisions.Add(new ConfigurationRevision
            {
                Tenant = "default", Configuration = configuration, Revision = revision, Content = content.ToJson(),
                Digest = ContentDigest.Of(content.Components), Size = 100, CreatedAt = now, CreatedBy = "me",
            });
            db.Rollouts.Add(rollout);
            db.Waves.Add(new RolloutWave { RolloutId = rollout.CorrelationId, Waiting = runtimeIds.Length });
            db.Targets.AddRange(runtimeIds.Select(id => new RolloutTarget
            {
                RolloutId = rollout.CorrelationId, RuntimeId = id, ChangedAt = now,
            }));
        });
        return rollout.CorrelationId;
    }
}
