using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Credentials;
using Governor.Director.Rollouts;
using Governor.Survival.Tests.Fleet;
using Governor.Survival.Tests.Model;

namespace Governor.Survival.Tests;

/// <content>What must hold of credentials.</content>
internal sealed partial class World
{
    /// <summary>Versions that were announced as revocable.</summary>
    private readonly HashSet<string> announced = new(StringComparer.Ordinal);

    /// <summary>Per runtime the generation that its newest recorded report could not open.</summary>
    private readonly Dictionary<string, long?> unopened = new(StringComparer.Ordinal);

    private void Recorded(IEnumerable<RuntimeReported> batch)
    {
        foreach (var report in batch)
        {
            if (model.Runtimes.GetValueOrDefault(report.RuntimeId)?.Stamp == (report.Epoch, report.Number))
                unopened[report.RuntimeId] = report.UnopenedGeneration;
        }
    }

    /// <summary>What was known before the restored database was made is known no more.</summary>
    private void Restored()
    {
        knowledge.Clear();
        unopened.Clear();
        announced.Clear();
        announced.UnionWith(Versions().Where(v => v.RevocableAt is not null).Select(v => v.Digest!));
    }

    private IEnumerable<RevisionRow> Versions() => model.Credentials.Values.SelectMany(c => c.Revisions);

    private RuntimeInMemory Real(string runtimeId) => Agent(int.Parse(runtimeId.AsSpan(1))).Runtime;

    /// <summary>Looks into a runtime: no component is without its secret, ever.</summary>
    private void CheckSecrets(int runtime, Whole whole)
    {
        var real = Agent(runtime).Runtime;
        foreach (var (name, (configuration, value)) in real.Components)
        {
            Require(Content.CredentialOf(value) is not { } credential || real.Secrets.ContainsKey(credential),
                "a component is without its secret", () => $"{Name(runtime)} {name}={value} of {configuration}, g{whole.Generation}");
        }

        foreach (var item in model.Credentials.Keys)
        {
            var there = real.HeldVersions.Where(v => v.Credential == Items.Credential(item)).Select(v => v.VersionId).ToList();
            if (there.Count <= 1)
                Hold(Name(runtime), item, there.SingleOrDefault() ?? "", whole.Generation);
        }
    }

    /// <summary>Whether the secret to which a component refers is the one that came with it.</summary>
    private bool HasItsSecret(int runtime, Whole whole, string value) => Content.CredentialOf(value) is not { } credential
        || whole.Desired.Credentials.Any(c => c.Name == credential && Agent(runtime).Runtime.Secrets.GetValueOrDefault(credential) == c.VersionId);

    /// <summary>A runtime is brought an older version only by what gives back or rolls back.</summary>
    private void CheckVersion(RuntimeRow runtime, RevisionRow? old, RevisionRow revision, Cause cause) =>
        Require(!revision.Item.IsCredential || old is null || revision.Number >= old.Number || cause == Cause.GiveBack
            || (cause == Cause.Dispatch && model.Rollouts.Exists(r => r.Revision == revision && r is { IsFinal: false, RollbackOf: not null })),
            "an older version is brought", () => $"{revision.Key} after {old?.Key} to {runtime.Id} by {cause}");

    private void CheckSentVersions(Whole whole)
    {
        foreach (var version in whole.Desired.Credentials)
        {
            Require(!announced.Contains(version.VersionId), "a version is sent after it was announced as revocable",
                () => $"{version.VersionId} to {whole.RuntimeId}, g{whole.Generation}");
        }
    }

    /// <summary>Once, and not while a registered runtime holds the version or will be brought it.</summary>
    private void CheckRevocable(Revocable revocable)
    {
        var version = revocable.VersionId;
        Require(announced.Add(version), "a version is announced twice", () => version);
        foreach (var runtimeId in model.Runtimes.Keys)
        {
            Require(Real(runtimeId).HeldVersions.All(v => v.VersionId != version),
                "a version is announced as revocable while it is held", () => $"{version} by {runtimeId}");
            Require(!queues[runtimeId].OfType<Whole>().Any(w => w.Generation >= Applied(runtimeId) && w.Desired.Credentials.Any(c => c.VersionId == version)),
                "a version is announced as revocable while it is on its way", () => $"{version} to {runtimeId}");
        }
    }

    /// <summary>Whose Agent has another key, and says so, has not failed.</summary>
    private void CheckKey(RolloutRow rollout, TargetRow target) =>
        Require(target.State is not (TargetState.TimedOut or TargetState.Failed)
            || model.Runtimes.GetValueOrDefault(target.RuntimeId)?.KeyRefused != true || !(unopened.GetValueOrDefault(target.RuntimeId) >= target.Generation),
            "a target fails for want of a key", () => $"{rollout.Key} {target.RuntimeId} is {target.State} at g{target.Generation}");

    /// <summary>Whatever nobody can hold has been announced. Whose Agent is gone may hold anything.</summary>
    private void CheckRevocableAtEnd()
    {
        if (model.Runtimes.Keys.Any(id => !Agent(int.Parse(id.AsSpan(1))).IsUp))
            return;

        foreach (var version in Versions().Where(v => v is { Stage: VersionStage.Previous or VersionStage.Abandoned, RevocableAt: null }))
        {
            Require(model.Runtimes.Values.Any(r => r.Assignments.Values.Any(a => a.Revision == version)
                || Real(r.Id).HeldVersions.Any(v => v.VersionId == version.Digest)),
                "a version is never announced as revocable", () => $"{version.Key} is {version.Stage}, and nobody holds it");
        }
    }

    private void CheckCurrent(RuntimeRow runtime)
    {
        foreach (var credential in model.Credentials.Values)
        {
            Require(!runtime.Assignments.TryGetValue(credential.Name, out var assigned) || assigned.Revision.Number >= credential.StableRevision!.Number,
                "a current version does not reach everyone", () => $"{runtime.Id} is assigned {assigned!.Revision.Key}, current is {credential.StableRevision!.Key}");
        }
    }

    private static void CheckSecretsAtEnd(RuntimeRow runtime, RuntimeInMemory real)
    {
        var expected = runtime.Assignments.Values.Where(a => a.Revision.Item.IsCredential)
            .Select(a => (Items.Credential(a.Revision.Item.Name)!, a.Revision.Digest!)).ToList();
        Require(expected.Order().SequenceEqual(real.HeldVersions.Order()), "a runtime does not hold the secrets that it is assigned",
            () => $"{runtime.Id} holds [{string.Join(", ", real.HeldVersions)}], should hold [{string.Join(", ", expected)}]");
    }
}
