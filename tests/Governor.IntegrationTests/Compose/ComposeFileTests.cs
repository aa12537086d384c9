using System.Text.RegularExpressions;
using NJsonSchema;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace Governor.IntegrationTests;

/// <summary>Holds <c>docker-compose.yml</c> to its schema and to this repository, where no engine is needed for it.</summary>
public sealed partial class ComposeFileTests
{
    /// <summary>The keys that the programs read, in their environment form.</summary>
    private static readonly string[] KnownKeys =
    [
        "ConnectionStrings__RabbitMq", "ConnectionStrings__Director",
        "RabbitMq__QueueType", "Urls", "Database__MigrateOnStart", "DataProtection__CertificatePath", "DataProtection__CertificatePassword",
        "Drift__Interval", "Drift__Mode", "Drift__MaxSends", "Delivery__Deadline",
        "Agent__RuntimeId", "Agent__Kind", "Agent__ReportInterval", "Agent__StatePath",
        "Agent__ResourcesPath", "Agent__DeniedComponentTypes",
        "Agent__DaprResourcesPath", "Agent__DaprGrpcEndpoint", "Agent__DaprHttpEndpoint", "Agent__DaprLoadTimeout",
        "Logging__Console__FormatterName",
    ];

    [Fact]
    public async Task Given_the_compose_file_When_it_is_held_to_the_compose_schema_Then_nothing_is_wrong()
    {
        var schema = await JsonSchema.FromFileAsync(
            Repository.PathOf("tests", "specs", "compose", "compose_spec.json"), TestContext.Current.CancellationToken);

        Assert.Empty(schema.Validate(ToJson(ReadCompose())));
    }

    [Theory]
    [InlineData("services: {director: {imagee: x}}")]
    [InlineData("services: {director: {image: x, ports: {http: 8080}}}")]
    [InlineData("services: {director: {image: x, healthcheck: {interval: [5s]}}}")]
    public async Task Given_a_wrong_compose_file_When_it_is_held_to_the_compose_schema_Then_it_is_refused(string yaml)
    {
        var schema = await JsonSchema.FromFileAsync(
            Repository.PathOf("tests", "specs", "compose", "compose_spec.json"), TestContext.Current.CancellationToken);

        Assert.NotEmpty(schema.Validate(ToJson(Deserialize(yaml))));
    }

    [Fact]
    public void Given_the_services_that_are_built_here_Then_each_names_a_stage_of_the_Dockerfile()
    {
        var stages = StageName().Matches(File.ReadAllText(Repository.PathOf("infra", "Dockerfile")))
            .Select(match => match.Groups["stage"].Value);
        var targets = Built().Select(service => (string)Map(service.Value["build"])["target"]).Distinct(StringComparer.Ordinal);

        Assert.Equal(["agent", "director"], targets.Order(StringComparer.Ordinal));
        Assert.Subset(stages.ToHashSet(StringComparer.Ordinal), targets.ToHashSet(StringComparer.Ordinal));
        Assert.All(Built(), service => Assert.Equal("infra/Dockerfile", Map(service.Value["build"])["dockerfile"]));
    }

    [Fact]
    public void Given_the_services_that_are_built_here_Then_they_are_given_only_settings_that_the_programs_know()
    {
        var given = Built().Where(service => service.Value.ContainsKey("environment"))
            .SelectMany(service => Map(service.Value["environment"]).Keys).Cast<string>();
        var baked = BakedVariable().Matches(File.ReadAllText(Repository.PathOf("infra", "Dockerfile")))
            .Select(match => match.Groups["key"].Value);

        Assert.Empty(given.Concat(baked).Except(KnownKeys, StringComparer.Ordinal));
    }

    [Fact]
    public void Given_every_published_port_Then_it_is_open_on_this_machine_only()
    {
        var ports = Services().Values.Where(service => service.ContainsKey("ports"))
            .SelectMany(service => (IEnumerable<object>)service["ports"]).Cast<string>().ToList();

        Assert.NotEmpty(ports);
        Assert.All(ports, port => Assert.StartsWith("127.0.0.1:", port, StringComparison.Ordinal));
    }

    [Fact]
    public void Given_every_dependency_Then_it_is_a_service_with_a_health_check_that_is_waited_for()
    {
        var services = Services();
        foreach (var (name, service) in services.Where(s => s.Value.ContainsKey("depends_on")))
        {
            foreach (var (dependency, how) in Map(service["depends_on"]))
            {
                var other = services[(string)dependency];
                if ((string)Map(how)["condition"] == "service_completed_successfully")
                {
                    // One that only makes something, and ends: it is not started again.
                    Assert.False(other.ContainsKey("restart"), $"{name} waits for the end of {dependency}");
                    continue;
                }

                Assert.Equal("service_healthy", Map(how)["condition"]);
                // What is built here has its health check in the Dockerfile.
                Assert.True(other.ContainsKey("healthcheck") || other.ContainsKey("build"), $"{name} waits for {dependency}");
            }
        }
    }

    private static Dictionary<string, Dictionary<object, object>> Services() =>
        Map(Map(ReadCompose())["services"]).ToDictionary(s => (string)s.Key, s => Map(s.Value), StringComparer.Ordinal);

    private static List<KeyValuePair<string, Dictionary<object, object>>> Built() =>
        [.. Services().Where(service => service.Value.ContainsKey("build"))];

    private static Dictionary<object, object> Map(object node) => (Dictionary<object, object>)node;

    private static object ReadCompose() => Deserialize(File.ReadAllText(Repository.PathOf("docker-compose.yml")));

    private static object Deserialize(string yaml) =>
        new DeserializerBuilder().WithAttemptingUnquotedStringTypeDeserialization().Build()
            .Deserialize<object>(new MergingParser(new Parser(new StringReader(yaml))))!;

    private static string ToJson(object document) =>
        new SerializerBuilder().JsonCompatible().Build().Serialize(document);

    [GeneratedRegex(@"^FROM \S+ AS (?<stage>\S+)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex StageName();

    [GeneratedRegex(@"(?<=^ENV .*)(?<key>[A-Za-z_]+)=", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex BakedVariable();
}
