using System.Text.Json;
using System.Text.Json.Serialization;
using MassTransit;

namespace Governor.Contracts;

/// <summary>Change a configuration, or make it: a new revision and its rollout, as by <c>PUT</c> of the HTTP interface. Answered
/// by <see cref="CommandAccepted"/> or <see cref="CommandRejected"/>.</summary>
/// <param name="CommandId">Names this command within its tenant: 1 to 200 printable ASCII characters. The same again is
/// answered as before and changes nothing; the same id with other content is rejected.</param>
/// <param name="RequestedBy">Who asks, for the record: 1 to 256 characters.</param>
/// <param name="Name">Name of the configuration, a DNS label, unique within its tenant.</param>
/// <param name="Components">All of its components.</param>
/// <param name="Target">Which runtimes it is for; without parts, every runtime of the tenant.</param>
/// <param name="ExpectedRevision">Newest revision that the sender has seen: with another one the command is rejected, since
/// commands may overtake each other. 0 means that there must be none; absent, that it does not matter.</param>
/// <param name="Priority">Of two configurations that give a runtime a component of the same name, the higher one's wins;
/// from -1,000,000 to 1,000,000.</param>
/// <param name="AllowPlaintext">Whether values that look like secrets in clear are none.</param>
/// <param name="AllowEmpty">Whether a target that matches no runtime is meant so.</param>
/// <param name="Policy">How to roll it out: an object with any of <c>strategy</c>, <c>maxConcurrency</c>, <c>maxFailures</c> and
/// <c>progressDeadline</c>, as over HTTP; absent means all at once.</param>
/// <param name="Tenant">Owner of the configuration; absent means <c>default</c>.</param>
[EntityName("governor-update-configuration")]
[MessageUrn("governor:update-configuration")]
public sealed record UpdateConfiguration(
    string CommandId,
    string RequestedBy,
    string Name,
    IReadOnlyList<ComponentDefinition> Components,
    ConfigurationTarget Target,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? ExpectedRevision = null,
    int Priority = 0,
    bool AllowPlaintext = false,
    bool AllowEmpty = false,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonElement? Policy = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Tenant = null);

/// <summary>Delete a configuration: a last, empty revision, whose rollout takes it from every runtime. Answered by
/// <see cref="CommandAccepted"/> or <see cref="CommandRejected"/>.</summary>
/// <param name="CommandId">Names this command within its tenant: 1 to 200 printable ASCII characters. The same again is
/// answered as before and changes nothing; the same id with other content is rejected.</param>
/// <param name="RequestedBy">Who asks, for the record: 1 to 256 characters.</param>
/// <param name="Name">Name of the configuration.</param>
/// <param name="ExpectedRevision">Newest revision that the sender has seen: with another one the command is rejected; absent
/// means that it does not matter.</param>
/// <param name="Policy">How to roll it out, as for <see cref="UpdateConfiguration"/>.</param>
/// <param name="Tenant">Owner of the configuration; absent means <c>default</c>.</param>
[EntityName("governor-delete-configuration")]
[MessageUrn("governor:delete-configuration")]
public sealed record DeleteConfiguration(
    string CommandId,
    string RequestedBy,
    string Name,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? ExpectedRevision = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonElement? Policy = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Tenant = null);

/// <summary>A component as its author writes it, in the shape of a Dapr Component.</summary>
/// <param name="Name">Name of the component, unique within its configuration.</param>
/// <param name="Type">Dapr component type, for example <c>bindings.http</c>.</param>
/// <param name="Version">Version of the component type; absent means <c>v1</c>.</param>
/// <param name="Metadata">Settings, in an order that is kept; absent means none.</param>
/// <param name="Scopes">Ids of the applications that may use the component; absent or empty means all.</param>
public sealed record ComponentDefinition(
    string Name,
    string Type,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Version = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<ComponentSetting>? Metadata = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Scopes = null);

/// <summary>Which runtimes of the tenant a configuration is for: all parts that are given must hold. A part that is given but
/// empty is not the same as one that is absent.</summary>
/// <param name="Kinds">Kinds of which the runtime has one; empty matches none.</param>
/// <param name="MatchLabels">Labels that the runtime has, all of them, with exactly these values.</param>
/// <param name="MatchExpressions">Conditions on labels that all hold.</param>
/// <param name="RuntimeIds">Ids of which the runtime has one; empty matches none.</param>
public sealed record ConfigurationTarget(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Kinds = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyDictionary<string, string>? MatchLabels = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<LabelCondition>? MatchExpressions = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? RuntimeIds = null);

/// <summary>A condition on one label, with the meaning that Kubernetes gives it.</summary>
/// <param name="Key">Key of the label.</param>
/// <param name="Operator">One of <c>In</c>, <c>NotIn</c>, <c>Exists</c> and <c>DoesNotExist</c>.</param>
/// <param name="Values">Values to compare with; absent for <c>Exists</c> and <c>DoesNotExist</c>.</param>
public sealed record LabelCondition(
    string Key,
    string Operator,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Values = null);
