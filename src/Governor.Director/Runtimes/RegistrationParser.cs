using System.Text.Json;
using System.Text.Json.Serialization;
using Governor.Director.Configurations;

namespace Governor.Director.Runtimes;

/// <summary>Reads the bodies of registrations.</summary>
internal static class RegistrationParser
{
    private const int MaxLabels = 64;
    private const int MaxLabelLength = 253;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        AllowDuplicateProperties = false,
    };

    /// <summary>Reads <c>{kind, labels}</c> of one runtime.</summary>
    public static Outcome<RuntimeRegistration> Parse(string runtimeId, byte[] body)
    {
        var read = Read<Body>(body, "`kind` and `labels`");
        return read.Succeeded ? Check(runtimeId, read.Value.Kind, read.Value.Labels, "") : read.Refusal;
    }

    /// <summary>Reads <c>{runtimes: [{runtimeId, kind, labels}]}</c>.</summary>
    public static Outcome<List<RuntimeRegistration>> ParseBatch(byte[] body)
    {
        var read = Read<Batch>(body, "`runtimes`, each with `runtimeId`, `kind` and `labels`");
        if (!read.Succeeded)
            return read.Refusal;
        if (read.Value.Runtimes is not { Count: > 0 and <= FleetRegistry.MaxBatch } items || items.Contains(null))
        {
            return new Refusal(StatusCodes.Status400BadRequest, "invalid-batch",
                $"`runtimes` must be a list of 1 to {FleetRegistry.MaxBatch} runtimes.");
        }

        var registrations = new List<RuntimeRegistration>(items.Count);
        for (var i = 0; i < items.Count; i++)
        {
            var checkedItem = Check(items[i]!.RuntimeId ?? "", items[i]!.Kind, items[i]!.Labels, $"runtimes[{i}].");
            if (!checkedItem.Succeeded)
                return checkedItem.Refusal;
            registrations.Add(checkedItem.Value);
        }

        return registrations.DistinctBy(r => r.RuntimeId).Count() == registrations.Count
            ? registrations
            : new Refusal(StatusCodes.Status400BadRequest, "invalid-batch", "Each `runtimeId` may be listed once.");
    }

    /// <summary>Reads <c>runtimeId</c>, <c>kind</c> and <c>labels</c> of a command whose common fields have been read.</summary>
    public static Outcome<RuntimeRegistration> Read(RequestObject command)
    {
        var runtimeId = ReadId(command);
        var kind = command.Required("kind", "give the runtime's kind")?.AsString();
        var labels = command["labels"]?.AsMembers()?.ToDictionary(l => l.Key, l => l.Value.AsString() ?? "", StringComparer.Ordinal);
        return command.Node.Errors.Any ? command.Node.Errors.ToRefusal() : Check(runtimeId!, kind, labels, "");
    }

    /// <summary>Reads <c>runtimeId</c> of a command.</summary>
    /// <returns>The id; null after a complaint.</returns>
    public static string? ReadId(RequestObject command)
    {
        if (command.Required("runtimeId", "name the runtime")?.AsString() is not { } id) return null;
        if (DnsLabel.IsValid(id)) return id;
        command.Node.Errors.Malformed("invalid-name", "runtimeId", $"must be {DnsLabel.Rule}.");
        return null;
    }

    private static Outcome<T> Read<T>(byte[] body, string fields)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(body, Json) is { } value
                ? value
                : new Refusal(StatusCodes.Status400BadRequest, "malformed-json", $"The body must be a JSON object with {fields}.");
        }
        catch (JsonException e)
        {
            return new Refusal(StatusCodes.Status400BadRequest, "malformed-json",
                $"The body must be a JSON object with {fields} and nothing else; it goes wrong at {e.Path ?? "$"} (line {e.LineNumber + 1}).");
        }
    }

    private static Outcome<RuntimeRegistration> Check(
        string runtimeId, string? kind, Dictionary<string, string>? labels, string at)
    {
        var errors = new List<FieldError>();
        if (!DnsLabel.IsValid(runtimeId))
            errors.Add(new FieldError($"{at}runtimeId", $"A runtime id must be {DnsLabel.Rule}."));
        if (kind is null || !RuntimeKinds.All.Contains(kind))
            errors.Add(new FieldError($"{at}kind", $"The kind must be one of {string.Join(", ", RuntimeKinds.All)}."));
        if (labels?.Count > MaxLabels)
            errors.Add(new FieldError($"{at}labels", $"At most {MaxLabels} labels are possible."));
        foreach (var (key, value) in labels ?? [])
        {
            if (key.Length is 0 or > MaxLabelLength || value is null || value.Length > MaxLabelLength)
            {
                errors.Add(new FieldError($"{at}labels",
                    $"Label keys have 1 to {MaxLabelLength} characters, values are strings of at most {MaxLabelLength}."));
                break;
            }
        }

        return errors.Count == 0
            ? new RuntimeRegistration(runtimeId, kind!, labels ?? [])
            : new Refusal(StatusCodes.Status400BadRequest,
                errors[0].Field.EndsWith("runtimeId", StringComparison.Ordinal) ? "invalid-name" : "invalid-field",
                errors[0].Message, errors);
    }

    private sealed record Body(string? Kind, Dictionary<string, string>? Labels);

    private sealed record Batch(List<BatchItem?>? Runtimes);

    private sealed record BatchItem(string? RuntimeId, string? Kind, Dictionary<string, string>? Labels);
}
