using System.Text.Json;
using Governor.Contracts;
using MassTransit;

namespace Governor.Messaging.Tests;

internal static class Samples
{
    public static readonly DesiredState Nothing = new([], []);

    public static ConfigurationUpdated Update(string runtimeId, long generation = 1) => new(runtimeId, generation, Nothing);

    public static RuntimeReported Report(string runtimeId, long number = 1) => new(
        runtimeId, 0, number, 1, TimeSpan.FromMinutes(1), new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero), [], []);

    public static JsonElement Json(string text) => JsonElement.Parse(text);
}

/// <summary>A report as a defective Agent might send it: the right name, the wrong type of a field.</summary>
[EntityName("governor.runtime-reported")]
[MessageUrn("governor:runtime-reported")]
public sealed record MalformedReport(string RuntimeId, string Epoch);

/// <summary>A command: its queue and its exchange have one name.</summary>
[EntityName("governor-do-something")]
[MessageUrn("governor:do-something")]
public sealed record DoSomething(string CommandId);
