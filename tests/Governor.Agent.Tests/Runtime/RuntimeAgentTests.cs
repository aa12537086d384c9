using Governor.Contracts;

namespace Governor.Agent.Tests.Runtime;

public sealed class RuntimeAgentTests : AgentScenario
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(100);

    public override async ValueTask InitializeAsync()
    {
        Agent.Start("broker");
        Agent.Connected();
        await UntilAsync(() => Outbound.Enrolments.Count == 1, "the first enrolment");
    }

    [Fact]
    public async Task Given_messages_that_waited_When_the_Agent_connects_Then_it_applies_the_newest_only_and_completes_all()
    {
        Task[] deliveries = [Deliver(1), Deliver(3), Deliver(2)];
        await TurnUntilAsync(() => deliveries.All(delivery => delivery.IsCompletedSuccessfully), "all deliveries");
        Assert.Equal([3], Applier.Applied);
        Assert.Single(Outbound.Reports);
    }

    [Fact]
    public async Task Given_the_first_take_is_over_When_a_message_comes_Then_it_is_handled_without_waiting_for_quiet()
    {
        await DeliverFirstAsync();
        await Deliver(2); // the clock stands still
        Assert.Equal([1, 2], Applier.Applied);
    }

    [Fact]
    public async Task Given_a_standby_When_intervals_pass_Then_it_enrols_and_never_reports()
    {
        await PassIntervalAsync(() => Outbound.Enrolments.Count == 2);
        await PassIntervalAsync(() => Outbound.Enrolments.Count == 3);
        Assert.Equal([true, false, false], Outbound.Enrolments.Select(enrolment => enrolment.Start));
        Assert.Single(Outbound.Enrolments.Select(enrolment => enrolment.InstanceId).Distinct(StringComparer.Ordinal));
        Assert.Empty(Outbound.Reports);
    }

    [Fact]
    public async Task Given_an_active_Agent_When_intervals_pass_Then_it_reports_and_enrols_no_more()
    {
        await DeliverFirstAsync();
        await PassIntervalAsync(() => Outbound.Reports.Count == 2);
        await PassIntervalAsync(() => Outbound.Reports.Count == 3);
        Assert.Single(Outbound.Enrolments);
    }

    [Fact]
    public async Task Given_an_active_Agent_When_it_reconnects_Then_it_stands_by_until_it_is_sent_something()
    {
        await DeliverFirstAsync();
        Agent.Connected();
        await UntilAsync(() => Outbound.Enrolments.Count == 2, "the enrolment after the connection");
        Assert.True(Outbound.Enrolments.Last().Start);

        await PassIntervalAsync(() => Outbound.Enrolments.Count == 3);
        Assert.Single(Outbound.Reports);
    }

    [Fact]
    public async Task Given_an_active_Agent_When_another_hand_changes_the_runtime_Then_it_reports_at_once()
    {
        await DeliverFirstAsync();
        Applier.Shown = [new ReportedConfiguration("logging", "tampered")];
        Applier.TellOfChange();
        await UntilAsync(() => Outbound.Reports.Count == 2, "the report of the change");
        Assert.Equal("tampered", Assert.Single(LastReport.Configurations).Digest);
    }

    [Fact]
    public async Task Given_an_active_Agent_When_another_hand_changes_a_secret_Then_it_reports_at_once()
    {
        await DeliverFirstAsync();
        Applier.Held = [new ReportedCredential("orders", "tampered")];
        Applier.TellOfChange();
        await UntilAsync(() => Outbound.Reports.Count == 2, "the report of the change");
        Assert.Equal("tampered", Assert.Single(LastReport.Credentials).VersionId);
    }

    [Fact]
    public async Task Given_an_active_Agent_When_a_change_is_its_own_Then_it_causes_no_report()
    {
        await DeliverFirstAsync();
        Applier.TellOfChange();
        await Deliver(2); // handled after the change
        Applier.TellOfChange();
        await Deliver(3);
        Assert.Equal([1, 2, 3], Outbound.Reports.Select(report => report.Generation));
    }

    [Fact]
    public async Task Given_a_standby_When_the_runtime_changes_Then_it_says_nothing()
    {
        Applier.Shown = [new ReportedConfiguration("logging", "tampered")];
        Applier.TellOfChange();
        await PassIntervalAsync(() => Outbound.Enrolments.Count == 2);
        Assert.Empty(Outbound.Reports);
    }

    [Fact]
    public async Task Given_a_broker_that_takes_no_report_When_a_message_is_handled_Then_it_goes_back_to_its_queue_and_is_reported_when_it_comes_again()
    {
        Outbound.IsDown = true;
        var delivery = Deliver(1);
        await TurnUntilAsync(() => delivery.IsCompleted, "the delivery to be given back");
        Assert.True(delivery.IsCanceled);

        Outbound.IsDown = false;
        await Deliver(1);
        Assert.Equal([1, 1], Applier.Applied);
        Assert.Single(Outbound.Reports);
    }

    [Fact]
    public async Task Given_a_broker_that_takes_nothing_When_it_is_back_Then_the_next_interval_reports()
    {
        await DeliverFirstAsync();
        Outbound.IsDown = true;
        var tries = Outbound.Tries;
        await PassIntervalAsync(() => Outbound.Tries > tries);
        Outbound.IsDown = false;
        await TurnUntilAsync(() => Outbound.Reports.Count > 1, "the report after the outage", TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task Given_an_applier_that_throws_When_a_message_is_handled_Then_it_faults_and_the_Agent_goes_on()
    {
        await DeliverFirstAsync();
        Applier.Failure = new InvalidOperationException("broken");
        Assert.Equal("broken", (await Assert.ThrowsAsync<InvalidOperationException>(() => Deliver(2))).Message);

        Applier.Failure = null;
        await Deliver(3);
        Assert.Equal([1, 3], Applier.Applied);
    }

    [Fact]
    public async Task Given_a_message_in_hand_When_the_Agent_stops_Then_it_goes_back_to_its_queue()
    {
        var delivery = Deliver(1);
        await Agent.DisposeAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => delivery);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Deliver(2));
    }

    private Task Deliver(long generation) => Agent.DeliverAsync(Whole(generation), CancellationToken.None);

    private async Task DeliverFirstAsync()
    {
        var delivery = Deliver(1);
        await TurnUntilAsync(() => delivery.IsCompleted, "the first delivery");
    }

    /// <summary>Turns the clock until an interval is over and its doing is done; never so far that two are.</summary>
    private Task PassIntervalAsync(Func<bool> done)
    {
        Clock.Advance(Interval - TimeSpan.FromSeconds(1));
        return TurnUntilAsync(done, "what an interval brings");
    }

    private Task TurnUntilAsync(Func<bool> condition, string what) => TurnUntilAsync(condition, what, Quiet);

    private Task TurnUntilAsync(Func<bool> condition, string what, TimeSpan step) => UntilAsync(
        () =>
        {
            if (condition())
                return true;
            Clock.Advance(step);
            return false;
        },
        what);

    private static Task UntilAsync(Func<bool> condition, string what) => Eventually.IsTrueAsync(condition, what);
}
