using System.Text.Json.Nodes;

namespace Governor.Contracts.Tests;

public sealed class SchemaTests
{
    public static TheoryData<string> MessageNames => [.. Contracts.Messages.Select(message => message.Name)];

    [Theory]
    [MemberData(nameof(MessageNames))]
    public void Given_a_message_When_its_schema_is_generated_Then_it_is_the_one_beside_the_contracts(string name)
    {
        var message = Contracts.Messages.Single(it => it.Name == name);
        var file = Path.Combine(Schemas.Folder, Schemas.FileNameOf(message));
        var schema = Schemas.Generate(message);

        if (Environment.GetEnvironmentVariable(Schemas.WriteVariable) == "1")
        {
            Directory.CreateDirectory(Schemas.Folder);
            File.WriteAllText(file, schema);
        }

        var committed = File.Exists(file) ? File.ReadAllText(file).ReplaceLineEndings("\n") : "";
        Assert.True(schema == committed, $"contracts/schemas/{Path.GetFileName(file)} does not say what {name} is now. Run "
            + $"{Schemas.WriteVariable}=1 dotnet run --project tests/Governor.Contracts.Tests and commit what it writes.");
    }

    [Fact]
    public void Given_the_schemas_When_they_are_listed_Then_each_belongs_to_a_message()
    {
        var expected = Contracts.Messages.Select(Schemas.FileNameOf).Order(StringComparer.Ordinal);
        var found = Directory.EnumerateFiles(Schemas.Folder, "*.schema.json").Select(Path.GetFileName).Order(StringComparer.Ordinal);
        Assert.Equal(expected, found);
    }

    [Theory]
    [MemberData(nameof(MessageNames))]
    public void Given_a_schema_When_it_is_read_Then_it_holds_no_CLR_name_and_describes_every_field(string name)
    {
        var schema = Schemas.Generate(Contracts.Messages.Single(it => it.Name == name));

        Assert.DoesNotContain("Governor.", schema, StringComparison.Ordinal);
        Assert.DoesNotContain("x-enum", schema, StringComparison.Ordinal);
        var root = JsonNode.Parse(schema)!.AsObject();
        foreach (var part in new[] { root }.Concat((root["definitions"]?.AsObject() ?? []).Select(it => it.Value!.AsObject())))
        {
            Assert.NotNull(part["description"]);
            Assert.All(part["properties"]?.AsObject() ?? [], property => Assert.NotNull(property.Value!["description"]));
        }
    }

    [Fact]
    public void Given_a_released_version_When_the_schemas_are_compared_Then_they_have_only_grown()
    {
        var released = Path.Combine(Schemas.Folder, "released");
        var newest = Directory.Exists(released)
            ? Directory.EnumerateDirectories(released).MaxBy(folder => Version.Parse(Path.GetFileName(folder)))
            : null;
        foreach (var before in newest is null ? [] : Directory.EnumerateFiles(newest, "*.schema.json"))
        {
            var now = Path.Combine(Schemas.Folder, Path.GetFileName(before));
            Assert.True(File.Exists(now), $"{Path.GetFileName(before)} was released and is gone.");
            Assert.Empty(SchemaGrowth.Breaks(Read(before), Read(now)));
        }

        static JsonObject Read(string file) => JsonNode.Parse(File.ReadAllText(file))!.AsObject();
    }
}
