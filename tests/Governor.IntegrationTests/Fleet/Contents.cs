using System.Text.Json.Nodes;

namespace Governor.IntegrationTests.Fleet;

/// <summary>Contents to roll out.</summary>
internal static class Contents
{
    /// <summary>Name of the component in <see cref="Logging"/>.</summary>
    public const string Component = "logging-service";

    /// <summary>The example of a logging service, for the runtimes of one label, with a URL of the test's own.</summary>
    public static string Logging(string url, string label, string value)
    {
        var content = JsonNode.Parse(File.ReadAllText(Repository.PathOf("contracts", "examples", "logging-service.json")))!;
        content["components"]![0]!["metadata"]![0]!["value"] = url;
        content["target"] = new JsonObject { ["matchLabels"] = new JsonObject { [label] = value } };
        return content.ToJsonString();
    }
}
