using System.Text;
using System.Text.Json;
using Governor.Contracts;
using Governor.Director.Configurations;

namespace Governor.Director.Tests.Configurations;

public sealed class ContentDigestTests
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    public static TheoryData<string> Names => [.. Vectors().Select(vector => vector.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Given_a_published_vector_When_its_digest_is_computed_Then_text_and_digest_are_as_published(string name)
    {
        var vector = Vectors().Single(vector => vector.Name == name);
        DesiredComponent[] components = [.. vector.Components.Select(component => component.ToComponent())];

        Assert.Equal(vector.Canonical, Encoding.UTF8.GetString(ContentDigest.Covered(components)));
        Assert.Equal(vector.Digest, ContentDigest.Of(components));
    }

    [Fact]
    public void Given_content_that_went_through_storage_and_the_wire_When_its_digest_is_computed_Then_it_is_the_same()
    {
        foreach (var vector in Vectors())
        {
            var content = ConfigurationContent.Normalized(
                vector.Components.Select(component => component.ToComponent()), new TargetSelector(), 0, allowPlaintext: false);
            var stored = ConfigurationContent.FromJson(content.ToJson()).Components;
            var received = JsonSerializer.Deserialize<DesiredComponent[]>(JsonSerializer.Serialize(stored, Json), Json)!;

            Assert.Equal(vector.Digest, ContentDigest.Of(stored));
            Assert.Equal(vector.Digest, ContentDigest.Of(received));
        }
    }

    private static IReadOnlyList<Vector> Vectors() =>
        JsonSerializer.Deserialize<VectorFile>(Examples.Read("digest-vectors.json"), Json)!.Vectors;

    private sealed record VectorFile(IReadOnlyList<Vector> Vectors);

    private sealed record Vector(string Name, IReadOnlyList<VectorComponent> Components, string Canonical, string Digest);

    private sealed record VectorComponent(
        string Name, string Type, string? Version, IReadOnlyList<ComponentSetting>? Metadata, IReadOnlyList<string>? Scopes, bool Shadowed)
    {
        public DesiredComponent ToComponent() => new(Name, Type, Version ?? "v1", Metadata ?? [], Scopes ?? [], Shadowed);
    }
}
