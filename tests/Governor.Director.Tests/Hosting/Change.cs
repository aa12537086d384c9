using System.Text.Json;
using System.Text.Json.Nodes;

namespace Governor.Director.Tests.Hosting;

/// <summary>Bodies of <c>PUT /api/v1/configurations/{name}</c>.</summary>
internal static class Change
{
    /// <summary>One component that points at a host, for every runtime unless told otherwise.</summary>
    public static JsonObject To(
        string host, object? target = null, int? priority = null, object? policy = null, string component = "store") =>
        Of(target ?? new { }, priority, policy, Component(component, host));

    public static JsonObject ToRegion(string host, string region, object? policy = null) =>
        To(host, new { matchLabels = new { region } }, policy: policy);

    public static JsonObject Of(object target, int? priority, object? policy, params JsonObject[] components)
    {
        var body = new JsonObject
        {
            ["components"] = new JsonArray([.. components]),
            ["target"] = JsonSerializer.SerializeToNode(target),
        };
        if (priority is { } number)
            body["priority"] = number;
        if (policy is not null)
            body["policy"] = JsonSerializer.SerializeToNode(policy);
        return body;
    }

    public static JsonObject Component(string name, string host) => new()
    {
        ["name"] = name,
        ["type"] = "state.redis",
        ["metadata"] = new JsonArray(new JsonObject { ["name"] = "redisHost", ["value"] = host }),
    };

    /// <summary>The same with one field set or, by null, taken out.</summary>
    public static JsonObject With(this JsonObject body, string field, JsonNode? value)
    {
        if (value is null)
            body.Remove(field);
        else
            body[field] = value;
        return body;
    }
}
