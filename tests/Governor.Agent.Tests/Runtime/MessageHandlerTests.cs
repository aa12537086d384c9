using Governor.Agent.Runtime;
using Governor.Contracts;

namespace Governor.Agent.Tests.Runtime;

public sealed class MessageHandlerTests : AgentScenario
{
    [Fact]
    public async Task Given_messages_in_disorder_When_handled_together_Then_only_the_highest_generation_is_applied_and_one_report_is_sent()
    {
        await HandleAsync(Whole(2), Asked(4), Whole(3), Whole(1));

        Assert.Equal([3], Applier.Applied);
        var report = Assert.Single(Outbound.Reports);
        Assert.Equal(("eu-1", 3, 4, 1), (report.RuntimeId, report.Generation, report.Epoch, report.Number));
    }

    [Fact]
    public async Task Given_a_handled_generation_When_a_lower_one_comes_Then_it_is_ignored_and_answered_with_a_report()
    {
        await HandleAsync(Whole(5));
        await HandleAsync(Whole(4));

        Assert.Equal([5], Applier.Applied);
        Assert.Equal([5, 5], Outbound.Reports.Select(report => report.Generation));
        Assert.Equal([1, 2], Outbound.Reports.Select(report => report.Number));
    }

    [Fact]
    public async Task Given_a_handled_generation_When_it_comes_again_Then_it_is_compared_with_the_runtime_again()
    {
        await HandleAsync(Whole(5));
        await HandleAsync(Whole(5));
        Assert.Equal([5, 5], Applier.Applied);
    }

    [Fact]
    public async Task Given_another_Agent_that_went_further_When_a_message_comes_Then_the_runtimes_own_mark_counts()
    {
        Applier.HandledGeneration = 9;
        await HandleAsync(Whole(8));
        Assert.Empty(Applier.Applied);
        Assert.Equal(9, LastReport.Generation);
    }

    [Fact]
    public async Task Given_the_mark_lost_When_an_older_message_comes_Then_the_process_still_knows_better()
    {
        await HandleAsync(Whole(5));
        Applier.HandledGeneration = 0;
        await HandleAsync(Whole(4));
        Assert.Equal([5], Applier.Applied);
        Assert.Equal(5, LastReport.Generation);
    }

    [Fact]
    public async Task Given_epochs_in_disorder_When_asked_Then_the_highest_is_kept()
    {
        await HandleAsync(Asked(3), Asked(7));
        await HandleAsync(Asked(5));
        Assert.Equal([7, 7], Outbound.Reports.Select(report => report.Epoch));
        Assert.Empty(Outbound.Enrolments);
    }

    [Fact]
    public async Task Given_a_Director_without_the_key_When_it_asks_Then_the_Agent_enrols_again()
    {
        await HandleAsync(Asked(1, enrol: true));
        var enrolment = Assert.Single(Outbound.Enrolments);
        Assert.Equal(("eu-1", "standalone-kyma", Key.PublicKey), (enrolment.RuntimeId, enrolment.Kind, enrolment.PublicKey));
        Assert.Single(Outbound.Reports);
    }

    [Fact]
    public async Task Given_a_rotated_credential_When_it_comes_Then_its_whole_is_applied_like_any_other()
    {
        await HandleAsync(AgentMessage.From(new CredentialRotated("eu-1", 6, Desired.Nothing)));
        Assert.Equal([6], Applier.Applied);
    }

    [Fact]
    public async Task Given_a_report_When_sent_Then_it_states_the_longest_interval_and_the_key()
    {
        await HandleAsync(Whole(1, Desired.Configuration("logging")));
        Assert.Equal(TimeSpan.FromSeconds(66), LastReport.ReportInterval);
        Assert.Equal(Key.PublicKey.Kid, LastReport.Kid);
        Assert.Equal("logging", Assert.Single(LastReport.Configurations).Name);
    }

    private Task HandleAsync(params AgentMessage[] batch) => Agent.Handler.HandleAsync(batch, CancellationToken.None);
}
