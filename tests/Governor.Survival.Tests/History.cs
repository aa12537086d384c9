using System.Collections.Immutable;
using System.Text;
using Governor.Contracts;
using Governor.Director.Drift;

namespace Governor.Survival.Tests;

/// <summary>Content that an operator writes: for whom, how strongly, and the values of up to three components.</summary>
internal sealed record Content(string Region, int Priority, string? X, string? Y, string? Z)
{
    public const string Everywhere = "all";

    /// <summary>No runtime takes it.</summary>
    public const string Bad = "bad";

    /// <summary>Runtimes with an odd number refuse it.</summary>
    public const string Odd = "odd";

    /// <summary>Between a value and the name of the credential to which its component refers.</summary>
    public const char Refers = '@';

    public bool Matches(string region) => Region == Everywhere || Region == region;

    public IEnumerable<DesiredComponent> Components() =>
        from part in new[] { ("x", X), ("y", Y), ("z", Z) }
        where part.Item2 is not null
        select new DesiredComponent(part.Item1, "bindings.http", "v1", [.. Settings(part.Item2!)], []);

    /// <summary>The credentials to which its components refer.</summary>
    public IEnumerable<string> Credentials() =>
        new[] { X, Y, Z }.OfType<string>().Select(CredentialOf).OfType<string>().Distinct(StringComparer.Ordinal);

    /// <summary>The one setting of a component, which is all that these contents differ in.</summary>
    public static string ValueOf(DesiredComponent component) => component.Metadata[0].Value!.Value.GetString()!;

    /// <summary>The credential to which a component of this value refers; null if it refers to none.</summary>
    public static string? CredentialOf(string value) => value.IndexOf(Refers, StringComparison.Ordinal) is >= 0 and var at ? value[(at + 1)..] : null;

    /// <summary>A value without the credential to which it refers.</summary>
    public static string PlainOf(string value) => value.Split(Refers)[0];

    private static IEnumerable<ComponentSetting> Settings(string value)
    {
        yield return new ComponentSetting("url", System.Text.Json.JsonSerializer.SerializeToElement(value));
        if (CredentialOf(value) is { } credential)
            yield return new ComponentSetting("auth", SecretKeyRef: new SecretKeyRef(credential, Fleet.FleetKeys.Entry));
    }

    public override string ToString() =>
        $"{Region} p{Priority}{(X is null ? "" : $" x={X}")}{(Y is null ? "" : $" y={Y}")}{(Z is null ? "" : $" z={Z}")}";
}

/// <summary>How a change is rolled out; the deadline in seconds.</summary>
internal sealed record Policy(int? MaxConcurrency, int MaxFailures, int Deadline);

/// <summary>Where an Agent's process dies while it handles messages.</summary>
internal enum Death
{
    WhileItApplies = 0,
    BeforeItReports = 1,
    BeforeItAcknowledges = 2,
}

/// <summary>One thing that happens. Numbers pick one of what there is at that moment, so every part of a history is a
/// history.</summary>
internal abstract record Step
{
    /// <summary>Whether it is something that an operator does.</summary>
    internal bool IsOperation => this is Update or Delete or Register or Relabel or Deregister or Rotate
        or TrustKey or Abort or RollBack or SetMode;

    /// <summary>Whether it is something that goes wrong.</summary>
    internal bool IsFault => !IsOperation && this is not (Flow or Deliver or Advance or BackUp);
}

internal sealed record Update(int Configuration, Content Content, Policy Policy) : Step;
internal sealed record Delete(int Configuration, Policy Policy) : Step;
internal sealed record Register(int Runtime, string Region) : Step;
internal sealed record Relabel(int Runtime, string Region) : Step;
internal sealed record Deregister(int Runtime, bool Force) : Step;
internal sealed record Rotate(int Credential, Policy Policy) : Step;

/// <summary>An operator trusts the key that an Agent shows, if that is another one than the pinned.</summary>
internal sealed record TrustKey(int Runtime) : Step;
internal sealed record Abort(int Pick) : Step;
internal sealed record RollBack(int Pick) : Step;
internal sealed record SetMode(DriftMode Mode) : Step;

/// <summary>Everything under way arrives, in order; that many times.</summary>
internal sealed record Flow(int Rounds) : Step;

/// <summary>One message arrives, whichever it is: it may overtake others.</summary>
internal sealed record Deliver(int Pick) : Step;
internal sealed record Advance(int Seconds) : Step;

internal sealed record Lose(int Pick) : Step;
internal sealed record Duplicate(int Pick) : Step;

/// <summary>A message goes behind all others of its queue.</summary>
internal sealed record Delay(int Pick) : Step;

/// <summary>The Director dies over the next message, before its commit or between the commit and the acknowledgement.</summary>
internal sealed record DirectorDies(bool Committed) : Step;

/// <summary>No Director is up for some seconds.</summary>
internal sealed record DirectorsDown(int Seconds) : Step;

/// <summary>The Agent dies over the next messages that it takes, and starts again.</summary>
internal sealed record AgentDies(int Runtime, Death Death) : Step;

/// <summary>The Agent is down for some seconds; then it starts without memory.</summary>
internal sealed record AgentAway(int Runtime, int Seconds) : Step;

/// <summary>The next apply that has something to write cannot write it.</summary>
internal sealed record ApplyFails(int Runtime) : Step;
internal sealed record QueueDeleted(int Runtime) : Step;
internal sealed record Tamper(int Runtime, int Pick, bool Remove) : Step;

/// <summary>The broker comes back empty.</summary>
internal sealed record BrokerWiped : Step;

/// <summary>The Agent loses its state, makes another key, and starts again.</summary>
internal sealed record KeyLost(int Runtime) : Step;

/// <summary>Another hand changes a secret.</summary>
internal sealed record TamperWithSecret(int Runtime, int Pick) : Step;

/// <summary>The next secret that is replaced stays beside the new one for a while.</summary>
internal sealed record FormerSecretStays(int Runtime) : Step;

/// <summary>A backup of the database is made.</summary>
internal sealed record BackUp : Step;

/// <summary>The database is lost; the backup is restored, if there is one.</summary>
internal sealed record Restore : Step;

/// <summary>A fleet, and everything that happens to it until the faults stop.</summary>
internal sealed record History(int Runtimes, int Configurations, ImmutableArray<Step> Steps)
{
    public override string ToString()
    {
        var text = new StringBuilder($"{Runtimes} runtimes, {Configurations} configurations");
        foreach (var step in Steps)
            text.Append("\n  ").Append(step);
        return text.ToString();
    }
}
