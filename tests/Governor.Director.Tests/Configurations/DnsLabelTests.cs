using Governor.Director.Configurations;

namespace Governor.Director.Tests.Configurations;

public sealed class DnsLabelTests
{
    [Theory]
    [InlineData("a", true)]
    [InlineData("0", true)]
    [InlineData("local-1", true)]
    [InlineData("a--b", true)]
    [InlineData("", false)]
    [InlineData(null, false)]
    [InlineData("-a", false)]
    [InlineData("a-", false)]
    [InlineData("-", false)]
    [InlineData("a.b", false)]
    [InlineData("A", false)]
    [InlineData("a_b", false)]
    [InlineData("é", false)]
    [InlineData("a\n", false)]
    [InlineData("../etc", false)]
    public void Given_a_text_When_judged_as_a_label_Then_it_is_one_or_not(string? text, bool expected) =>
        Assert.Equal(expected, DnsLabel.IsValid(text));

    [Fact]
    public void Given_a_long_text_When_judged_as_a_label_Then_63_characters_are_the_limit()
    {
        Assert.True(DnsLabel.IsValid(new string('a', 63)));
        Assert.False(DnsLabel.IsValid(new string('a', 64)));
    }

    [Theory]
    [InlineData("a.b", true)]
    [InlineData("my-store.v1", true)]
    [InlineData("a", true)]
    [InlineData(".", false)]
    [InlineData("..", false)]
    [InlineData(".a", false)]
    [InlineData("a.", false)]
    [InlineData("a..b", false)]
    [InlineData("a.-b", false)]
    [InlineData("a/b", false)]
    [InlineData("", false)]
    public void Given_a_text_When_judged_as_a_dotted_name_Then_it_is_one_or_not(string text, bool expected) =>
        Assert.Equal(expected, DnsLabel.IsSubdomain(text));
}
