using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Governor.Director.Configurations;

namespace Governor.Director.Tests.Configurations;

public sealed class CanonicalJsonTests
{
    // Appendix B of RFC 8785: the bits of a double and its text.
    [Theory]
    [InlineData("0000000000000000", "0")]
    [InlineData("8000000000000000", "0")]
    [InlineData("0000000000000001", "5e-324")]
    [InlineData("8000000000000001", "-5e-324")]
    [InlineData("7fefffffffffffff", "1.7976931348623157e+308")]
    [InlineData("ffefffffffffffff", "-1.7976931348623157e+308")]
    [InlineData("4340000000000000", "9007199254740992")]
    [InlineData("c340000000000000", "-9007199254740992")]
    [InlineData("4430000000000000", "295147905179352830000")]
    [InlineData("44b52d02c7e14af5", "9.999999999999997e+22")]
    [InlineData("44b52d02c7e14af6", "1e+23")]
    [InlineData("44b52d02c7e14af7", "1.0000000000000001e+23")]
    [InlineData("444b1ae4d6e2ef4e", "999999999999999700000")]
    [InlineData("444b1ae4d6e2ef4f", "999999999999999900000")]
    [InlineData("444b1ae4d6e2ef50", "1e+21")]
    [InlineData("3eb0c6f7a0b5ed8c", "9.999999999999997e-7")]
    [InlineData("3eb0c6f7a0b5ed8d", "0.000001")]
    [InlineData("41b3de4355555553", "333333333.3333332")]
    [InlineData("41b3de4355555554", "333333333.33333325")]
    [InlineData("41b3de4355555555", "333333333.3333333")]
    [InlineData("41b3de4355555556", "333333333.3333334")]
    [InlineData("41b3de4355555557", "333333333.33333343")]
    [InlineData("becbf647612f3696", "-0.0000033333333333333333")]
    [InlineData("43143ff3c1cb0959", "1424953923781206.2")]
    public void Given_a_double_When_it_is_written_Then_its_text_is_that_of_ECMAScript(string bits, string expected)
    {
        var number = BinaryPrimitives.ReadDoubleBigEndian(Convert.FromHexString(bits));
        Assert.Equal(expected, Canonical(number.ToString("E16", System.Globalization.CultureInfo.InvariantCulture)));
    }

    // Section 3.2.2 of RFC 8785.
    [Fact]
    public void Given_the_sample_of_the_RFC_When_it_is_written_Then_it_is_the_canonical_text_of_the_RFC()
    {
        const string sample = """
            {
              "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
              "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
              "literals": [null, true, false]
            }
            """;
        const string canonical =
            """{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}""";
        Assert.Equal(canonical, Canonical(sample));
    }

    // Section 3.2.3 of RFC 8785.
    [Fact]
    public void Given_keys_beyond_the_basic_plane_When_an_object_is_written_Then_they_are_sorted_by_UTF16_code_units()
    {
        const string sample = """
            {"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
             "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}
            """;
        using var document = JsonDocument.Parse(Canonical(sample));
        Assert.Equal(
            [
                "Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign", "Emoji: Grinning Face",
                "Hebrew Letter Dalet With Dagesh",
            ],
            document.RootElement.EnumerateObject().Select(member => member.Value.GetString()));
    }

    [Theory]
    [InlineData("""{"a": 1, "a": 1}""")]
    [InlineData("""{"a": 1, "\u0061": 2}""")]
    [InlineData("""[{"deep": {"a": 1, "b": 2, "a": 3}}]""")]
    public void Given_a_key_that_occurs_twice_When_the_object_is_written_Then_it_is_refused(string json) =>
        Assert.Throws<FormatException>(() => Canonical(json));

    [Theory]
    [InlineData("""["\ud83d"]""")]
    [InlineData("""["\ude02\ud83d"]""")]
    [InlineData("""{"\ud83d": 1}""")]
    public void Given_half_of_a_surrogate_pair_When_it_is_written_Then_it_is_refused(string json) =>
        Assert.Throws<FormatException>(() => Canonical(json));

    [Theory]
    [InlineData("1e309")]
    [InlineData("[-1e999]")]
    public void Given_a_number_beyond_a_double_When_it_is_written_Then_it_is_refused(string json) =>
        Assert.Throws<FormatException>(() => Canonical(json));

    [Fact]
    public void Given_a_value_When_it_is_written_as_bytes_Then_they_are_UTF8_without_a_byte_order_mark()
    {
        using var document = JsonDocument.Parse("""["€"]""");
        Assert.Equal(Encoding.UTF8.GetBytes("""["€"]"""), CanonicalJson.Serialize(document.RootElement));
    }

    private static string Canonical(string json)
    {
        using var document = JsonDocument.Parse(json);
        return CanonicalJson.SerializeToString(document.RootElement);
    }
}
