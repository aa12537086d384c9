using System.Globalization;
using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Governor.Director.Configurations;

namespace Governor.Director.Tests.Configurations;

public sealed class CanonicalJsonProperties
{
    [Property(MaxTest = 500, Arbitrary = [typeof(JsonTrees)])]
    public void Given_any_JSON_When_its_canonical_text_is_written_again_Then_it_stays_the_same(JsonTree tree)
    {
        var once = Canonical(tree.Write(new Random(1)));
        Assert.Equal(once, Canonical(once));
    }

    [Property(MaxTest = 500, Arbitrary = [typeof(JsonTrees)])]
    public void Given_any_JSON_When_it_is_spelled_otherwise_Then_its_canonical_text_is_the_same(JsonTree tree, int seed) =>
        Assert.Equal(Canonical(tree.Write(new Random(1))), Canonical(tree.Write(new Random(seed))));

    [Property(MaxTest = 500, Arbitrary = [typeof(JsonTrees)])]
    public void Given_any_JSON_When_its_canonical_text_is_read_Then_it_means_the_same(JsonTree tree)
    {
        var written = tree.Write(new NoChance()); // the shortest spelling: DeepEquals compares every digit that is written
        using var before = JsonDocument.Parse(written);
        using var after = JsonDocument.Parse(Canonical(written));
        Assert.True(JsonElement.DeepEquals(before.RootElement, after.RootElement));
    }

    [Property(MaxTest = 5000)]
    public void Given_any_double_When_it_is_written_Then_it_reads_back_as_the_same(NormalFloat number)
    {
        var text = Canonical(number.Get.ToString("E16", CultureInfo.InvariantCulture));
        Assert.Equal(number.Get, double.Parse(text, CultureInfo.InvariantCulture));
    }

    private sealed class NoChance : Random
    {
        public override int Next(int maxValue) => 0;
    }

    private static string Canonical(string json)
    {
        using var document = JsonDocument.Parse(json);
        return CanonicalJson.SerializeToString(document.RootElement);
    }
}

/// <summary>JSON that can be written in many ways which mean the same.</summary>
public abstract record JsonTree
{
    /// <summary>Writes it with white space, order of keys and escapes as chance has it.</summary>
    public string Write(Random chance)
    {
        var text = new StringBuilder();
        Write(text, chance);
        return text.ToString();
    }

    internal abstract void Write(StringBuilder text, Random chance);

    private protected static void Space(StringBuilder text, Random chance) => text.Append(" \n\t\r", 0, chance.Next(5));

    private protected static void Quote(StringBuilder text, Random chance, string value)
    {
        text.Append('"');
        foreach (var c in value)
        {
            if (c is '"' or '\\' or < ' ' || char.IsSurrogate(c) || chance.Next(4) == 0)
                text.Append("\\u").Append(((int)c).ToString(chance.Next(2) == 0 ? "x4" : "X4", CultureInfo.InvariantCulture));
            else
                text.Append(c);
        }

        text.Append('"');
    }
}

/// <summary>A literal or a number, in several spellings.</summary>
public sealed record JsonAtom(IReadOnlyList<string> Spellings) : JsonTree
{
    internal override void Write(StringBuilder text, Random chance) => text.Append(Spellings[chance.Next(Spellings.Count)]);
}

/// <summary>A string.</summary>
public sealed record JsonText(string Value) : JsonTree
{
    internal override void Write(StringBuilder text, Random chance) => Quote(text, chance, Value);
}

/// <summary>A list.</summary>
public sealed record JsonItems(IReadOnlyList<JsonTree> Items) : JsonTree
{
    internal override void Write(StringBuilder text, Random chance)
    {
        text.Append('[');
        for (var i = 0; i < Items.Count; i++)
        {
            if (i > 0) text.Append(',');
            Space(text, chance);
            Items[i].Write(text, chance);
            Space(text, chance);
        }

        text.Append(']');
    }
}

/// <summary>An object.</summary>
public sealed record JsonMembers(IReadOnlyDictionary<string, JsonTree> Members) : JsonTree
{
    internal override void Write(StringBuilder text, Random chance)
    {
        var members = Members.ToArray();
        chance.Shuffle(members);
        text.Append('{');
        for (var i = 0; i < members.Length; i++)
        {
            if (i > 0) text.Append(',');
            Space(text, chance);
            Quote(text, chance, members[i].Key);
            Space(text, chance);
            text.Append(':');
            Space(text, chance);
            members[i].Value.Write(text, chance);
        }

        Space(text, chance);
        text.Append('}');
    }
}

/// <summary>Makes JSON of every shape, small enough to read when a property fails.</summary>
public static class JsonTrees
{
    private static readonly string[] Pieces = ["a", "B", "é", "e\u0301", "€", "😂", "\ufb33", "\r", "\u0000", "\"", "\\", "/", "9", "10", "\u2028"];

    public static Arbitrary<JsonTree> Tree() => Gen.Sized(size => Any(Math.Min(size, 20))).ToArbitrary();

    private static Gen<JsonTree> Any(int size)
    {
        var leaves = Gen.OneOf(Atom(), Text().Select(text => (JsonTree)new JsonText(text)));
        if (size <= 1) return leaves;

        var below = Any(size / 3);
        return Gen.OneOf(
            leaves,
            Short(below.ListOf()).Select(items => (JsonTree)new JsonItems(items)),
            from keys in Short(Text().ListOf())
            from values in Gen.ArrayOf(below, keys.Count)
            select (JsonTree)new JsonMembers(keys.Zip(values).DistinctBy(m => m.First).ToDictionary(m => m.First, m => m.Second)));
    }

    private static Gen<T> Short<T>(Gen<T> lists) => lists.Resize(6);

    private static Gen<string> Text() => Short(Gen.Elements(Pieces).ListOf()).Select(string.Concat);

    private static Gen<JsonTree> Atom() => Gen.OneOf(
        Gen.Elements<JsonTree>(new JsonAtom(["true"]), new JsonAtom(["false"]), new JsonAtom(["null"]), new JsonAtom(["0", "-0", "0.0", "0e7"])),
        ArbMap.Default.GeneratorFor<NormalFloat>().Select(number => (JsonTree)new JsonAtom(
        [
            number.Get.ToString("R", CultureInfo.InvariantCulture),
            number.Get.ToString("E16", CultureInfo.InvariantCulture),
            number.Get.ToString("e20", CultureInfo.InvariantCulture),
        ])));
}
