using System.Reflection;
using System.Text.Json.Serialization;

namespace Governor.Contracts.Tests;

public sealed class ContractTests
{
    public static TheoryData<string> RecordNames => [.. Contracts.Records.Select(record => record.Name)];

    [Fact]
    public void Given_the_messages_When_their_names_are_read_Then_each_has_an_entity_name_and_a_URN_of_its_own()
    {
        Assert.NotEmpty(Contracts.Messages);
        Assert.All(Contracts.Messages, message =>
        {
            Assert.NotNull(Contracts.EntityNameOf(message));
            Assert.NotNull(Contracts.UrnOf(message));
        });
        Assert.Distinct(Contracts.Messages.Select(Contracts.EntityNameOf));
        Assert.Distinct(Contracts.Messages.Select(Contracts.UrnOf));
    }

    [Fact]
    public void Given_the_messages_When_their_names_are_read_Then_none_is_a_CLR_name()
    {
        Assert.All(Contracts.Messages, message =>
        {
            Assert.Matches("^governor[.-][a-z]+(-[a-z]+)*$", Contracts.EntityNameOf(message)!);
            Assert.Matches("^urn:message:governor:[a-z]+(-[a-z]+)*$", Contracts.UrnOf(message)!);
        });
    }

    [Theory]
    [MemberData(nameof(RecordNames))]
    public void Given_a_record_When_its_type_is_read_Then_it_shares_no_base_and_no_interface_with_another(string name)
    {
        var record = Contracts.Records.Single(it => it.Name == name);

        Assert.True(record.IsSealed);
        Assert.Equal(typeof(object), record.BaseType);
        Assert.Equal([typeof(IEquatable<>).MakeGenericType(record)], record.GetInterfaces());
    }

    [Theory]
    [MemberData(nameof(RecordNames))]
    public void Given_a_record_When_its_documentation_is_read_Then_it_and_every_field_have_some(string name)
    {
        var record = Contracts.Records.Single(it => it.Name == name);

        Assert.NotNull(Documentation.SummaryOf(record));
        Assert.All(Contracts.ParametersOf(record), parameter => Assert.NotNull(Documentation.ParameterOf(record, parameter.Name!)));
    }

    [Theory]
    [MemberData(nameof(RecordNames))]
    public void Given_a_record_When_its_fields_are_read_Then_all_stand_in_its_constructor_and_after_a_default_come_only_defaults(string name)
    {
        var record = Contracts.Records.Single(it => it.Name == name);
        var parameters = Contracts.ParametersOf(record);

        Assert.Equal(
            parameters.Select(it => it.Name).Order(StringComparer.Ordinal),
            record.GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(it => it.Name).Order(StringComparer.Ordinal));
        Assert.DoesNotContain(parameters.SkipWhile(it => !it.HasDefaultValue), it => !it.HasDefaultValue);
    }

    [Fact]
    public void Given_an_enumeration_When_it_is_written_Then_every_value_has_a_name_on_the_wire_and_documentation()
    {
        Assert.All(Contracts.Enums, type => Assert.All(Enum.GetNames(type), value =>
        {
            Assert.NotNull(type.GetField(value)!.GetCustomAttribute<JsonStringEnumMemberNameAttribute>());
            Assert.NotNull(Documentation.SummaryOf(type, value));
        }));
    }

    [Fact]
    public void Given_the_package_When_its_types_are_listed_Then_there_are_only_records_and_enumerations() => Assert.Empty(Contracts.Other);
}
