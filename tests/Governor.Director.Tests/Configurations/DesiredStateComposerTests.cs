using Governor.Contracts;
using Governor.Director.Configurations;

namespace Governor.Director.Tests.Configurations;

public sealed class DesiredStateComposerTests
{
    [Fact]
    public void Given_several_configurations_When_composed_Then_they_and_their_components_are_ordered_by_name()
    {
        var state = DesiredStateComposer.Compose(
        [
            Given.Assigned("b", 0, 1, Given.Component("z"), Given.Component("y")),
            Given.Assigned("a", 0, 2, Given.Component("x")),
        ]);

        Assert.Equal(["a", "b"], state.Configurations.Select(configuration => configuration.Name));
        Assert.Equal(["y", "z"], state.Configurations[1].Components.Select(component => component.Name));
        Assert.Empty(Shadowed(state));
    }

    [Fact]
    public void Given_a_component_of_the_same_name_When_priorities_differ_Then_the_higher_one_wins()
    {
        var state = DesiredStateComposer.Compose(
        [
            Given.Assigned("first", 0, 1, Given.Component("store"), Given.Component("own")),
            Given.Assigned("second", 5, 2, Given.Component("store")),
            Given.Assigned("third", -5, 0, Given.Component("store")),
        ]);

        Assert.Equal(["first/store", "third/store"], Shadowed(state));
    }

    [Fact]
    public void Given_a_component_of_the_same_name_When_priorities_are_equal_Then_the_configuration_created_first_wins()
    {
        var state = DesiredStateComposer.Compose(
        [
            Given.Assigned("a", 0, 2, Given.Component("store")),
            Given.Assigned("b", 0, 1, Given.Component("store")),
        ]);

        Assert.Equal(["a/store"], Shadowed(state));
    }

    [Fact]
    public void Given_shadowing_When_composed_Then_digests_stay_as_they_were_assigned()
    {
        var loser = Given.Assigned("a", 0, 2, Given.Component("store"));
        var state = DesiredStateComposer.Compose([loser, Given.Assigned("b", 1, 1, Given.Component("store"))]);

        Assert.Equal(loser.Digest, state.Configurations[0].Digest);
        Assert.Equal(loser.Digest, ContentDigest.Of(state.Configurations[0].Components));
    }

    [Fact]
    public void Given_nothing_assigned_When_composed_Then_the_state_is_empty() =>
        Assert.Empty(DesiredStateComposer.Compose([]).Configurations);

    [Fact]
    public void Given_two_revisions_of_equal_components_When_compared_Then_the_same_is_in_force()
    {
        var before = Given.Assigned("a", 0, 1, Given.Component("store"));
        Assert.True(Same([before], [before with { Revision = 2 }]));
        Assert.True(Same([], []));
    }

    [Fact]
    public void Given_a_change_of_what_is_in_force_When_compared_Then_it_is_not_the_same()
    {
        var a = Given.Assigned("a", 0, 1, Given.Component("store"));
        Assert.False(Same([a], []));
        Assert.False(Same([a], [Given.Assigned("a", 0, 1, Given.Component("store", "elsewhere:6379"))]));
        Assert.False(Same([a], [Given.Assigned("b", 0, 1, Given.Component("store"))]));
        Assert.False(Same([a], [Given.Assigned("a", 0, 1, Given.Component("store"), Given.Component("other"))]));
    }

    [Fact]
    public void Given_a_change_of_a_shadowed_component_When_compared_Then_the_same_is_in_force()
    {
        var winner = Given.Assigned("a", 1, 1, Given.Component("store"));
        var loser = Given.Assigned("b", 0, 2, Given.Component("store"), Given.Component("own"));
        Assert.True(Same([winner, loser], [winner, Given.Assigned("b", 0, 2, Given.Component("store", "elsewhere:6379"), Given.Component("own"))]));
    }

    [Fact]
    public void Given_a_change_of_priority_alone_When_it_turns_shadowing_round_Then_it_is_not_the_same()
    {
        var a = Given.Assigned("a", 1, 1, Given.Component("store"));
        var b = Given.Assigned("b", 0, 2, Given.Component("store", "elsewhere:6379"));
        Assert.False(Same([a, b], [a with { Priority = -1 }, b]));
    }

    private static bool Same(AssignedContent[] before, AssignedContent[] after) =>
        EffectiveContent.Same(DesiredStateComposer.Compose(before), DesiredStateComposer.Compose(after));

    private static IEnumerable<string> Shadowed(DesiredState state) =>
        from configuration in state.Configurations
        from component in configuration.Components
        where component.Shadowed
        select $"{configuration.Name}/{component.Name}";
}
