using Governor.Agent.Tests.Dapr;
using Governor.Agent.Tests.DaprFolder.Secrets;
using Governor.Contracts;

namespace Governor.Agent.Tests.DaprFolder;

/// <summary>Content counts as applied when the sidecar has loaded it.</summary>
public sealed class SidecarTests : SecretScenario, IAsyncLifetime
{
    private static readonly DesiredConfiguration Logging = Desired.Configuration("logging", Desired.Component("logs"), Desired.Component("audit"));

    private DaprdDouble _daprd = null!;

    public async ValueTask InitializeAsync()
    {
        _daprd = await DaprdDouble.StartAsync(Resources);
        Restart(Beside(_daprd));
    }

    public async ValueTask DisposeAsync()
    {
        await _daprd.DisposeAsync();
        Dispose();
    }

    [Fact]
    public async Task Given_a_sidecar_that_reloads_When_content_is_applied_Then_it_is_applied_once_it_is_loaded()
    {
        await ApplyAsync([Orders("v1")], Logging, Shop());
        AssertShows(Logging);
        AssertShows(Shop());
        Assert.Equal("t0p-s3cretv1", _daprd.Look("sink")?["orders-token"]);
        Assert.True(_daprd.Asked > 0);
    }

    [Fact]
    public async Task Given_a_sidecar_that_does_not_reload_When_content_is_applied_Then_it_failed_and_the_message_says_what_to_do()
    {
        _daprd.HotReload = false;
        await ApplyAsync(Logging);
        AssertFailed(Logging, "not-loaded", "HotReload");
        AssertFailed(Logging, "not-loaded", "logs, audit");
        Assert.Equal(Logging.Digest, Reported("logging").Digest); // the files are there

        _daprd.Restart();
        await ApplyAsync(Logging);
        AssertShows(Logging);
    }

    [Theory]
    [InlineData(true, "It is daprd 1.18.3 and reloads")]
    [InlineData(false, "It is daprd 1.18.3 with HotReload off")]
    public async Task Given_the_sidecars_HTTP_address_When_it_does_not_load_Then_the_message_tells_whether_it_reloads(bool reloads, string named)
    {
        var options = Beside(_daprd);
        options.DaprHttpEndpoint = _daprd.HttpEndpoint;
        Restart(options);
        (_daprd.HotReload, _daprd.Loads) = (reloads, false);
        await ApplyAsync(Logging);
        AssertFailed(Logging, "not-loaded", named);
    }

    [Fact]
    public async Task Given_a_sidecar_that_loads_nothing_When_a_credential_is_rotated_Then_it_failed_because_the_new_store_is_not_loaded()
    {
        await ApplyAsync([Orders("v1")], Shop());
        _daprd.Loads = false;
        await ApplyAsync([Orders("v2")], Shop());
        AssertFailed(Shop(), "not-loaded", $"governor-secrets-{Id("orders@v2")}");
        Assert.DoesNotContain("s3cret", Reported("shop").Message, StringComparison.Ordinal);
        Assert.Equal(["orders@v1", "orders@v2"], Held); // the sidecar still has the former one
        await ApplyAsync([Orders("v2")], Shop());
        Assert.Equal(["orders@v1", "orders@v2"], Held);

        _daprd.Loads = true;
        await ApplyAsync([Orders("v2")], Shop());
        AssertShows(Shop());
        Assert.Equal(["orders@v2"], Held);
        Assert.Equal("t0p-s3cretv2", _daprd.Look("sink")?["orders-token"]);
    }

    [Fact]
    public async Task Given_one_configuration_that_the_sidecar_never_loads_When_a_credential_of_another_is_rotated_Then_the_old_version_goes()
    {
        await ApplyAsync([Orders("v1")], Shop());
        var broken = Desired.Configuration("broken", Desired.Component("broken")); // of that name the double loads nothing
        await ApplyAsync([Orders("v2")], Shop(), broken);
        AssertFailed(broken, "not-loaded", "broken");
        AssertShows(Shop());
        Assert.Equal(["orders@v2"], Held);
    }

    [Fact]
    public async Task Given_content_that_a_refused_configuration_keeps_When_the_sidecar_does_not_load_its_new_store_Then_the_old_version_stays()
    {
        await ApplyAsync([Orders("v1")], Shop());
        var options = Beside(_daprd);
        options.DeniedComponentTypes.Add("denied.*");
        Restart(options);
        var refused = Desired.Configuration("shop", Desired.Component("next", type: "denied.type"));
        _daprd.Loads = false;
        await ApplyAsync([Orders("v2")], refused);
        Assert.Equal(["orders@v1", "orders@v2"], Held);

        _daprd.Loads = true;
        await ApplyAsync([Orders("v2")], refused);
        Assert.Equal(["orders@v2"], Held);
        Assert.Equal("t0p-s3cretv2", _daprd.Look("sink")?["orders-token"]);
    }

    [Fact]
    public async Task Given_a_sidecar_that_is_down_When_content_is_applied_Then_it_failed_until_the_sidecar_answers()
    {
        _daprd.IsDown = true;
        await ApplyAsync(Logging);
        AssertFailed(Logging, "sidecar-unreachable", _daprd.GrpcEndpoint);
        AssertFailed(Logging, "sidecar-unreachable", "Unavailable: down");

        _daprd.IsDown = false;
        await ApplyAsync(Logging);
        AssertShows(Logging);
    }

    [Fact]
    public async Task Given_a_sidecar_that_hangs_When_content_is_applied_Then_it_failed_in_the_time_that_it_has()
    {
        _daprd.Hangs = true;
        await ApplyAsync(Logging);
        AssertFailed(Logging, "sidecar-unreachable", "no answer in time");
    }

    [Fact]
    public async Task Given_nobody_at_the_address_When_content_is_applied_Then_the_sidecar_is_unreachable()
    {
        var gone = await DaprdDouble.StartAsync(Resources);
        await gone.DisposeAsync();
        Restart(Beside(gone));
        await ApplyAsync(Logging);
        AssertFailed(Logging, "sidecar-unreachable", gone.GrpcEndpoint);
    }

    [Fact]
    public async Task Given_a_sidecar_that_is_just_starting_When_content_is_applied_Then_the_Agent_waits_for_it()
    {
        var options = Beside(_daprd);
        options.DaprLoadTimeout = TimeSpan.FromSeconds(20);
        Restart(options);
        _daprd.IsDown = true;
        var applying = ApplyAsync(Logging);
        await Eventually.IsTrueAsync(() => Volatile.Read(ref _daprd.Asked) > 0, "the first question");
        Assert.False(applying.IsCompleted);
        _daprd.IsDown = false;
        await applying;
        AssertShows(Logging);
    }

    [Fact]
    public async Task Given_a_component_for_other_applications_When_applied_Then_the_sidecar_is_not_asked_for_it()
    {
        var scoped = Desired.Configuration("scoped",
            Desired.Component("theirs") with { Scopes = ["other"] }, Desired.Component("ours") with { Scopes = [DaprdDouble.AppId, "other"] });
        await ApplyAsync(scoped);
        AssertShows(scoped);
        Assert.Null(_daprd.Look("theirs"));
        Assert.NotNull(_daprd.Look("ours"));
    }

    [Fact]
    public async Task Given_many_configurations_When_some_are_not_loaded_Then_only_those_failed_and_all_waited_together()
    {
        _daprd.HotReload = false;
        await ApplyAsync(Logging);
        _daprd.Restart();
        var asked = _daprd.Asked;
        DesiredConfiguration[] others = [.. Enumerable.Range(0, 5).Select(n => Desired.Configuration($"other-{n}", Desired.Component($"component-{n}")))];
        var started = TimeProvider.System.GetTimestamp();
        await ApplyAsync([Logging, .. others]);

        AssertShows(Logging);
        Assert.All(others, other => AssertFailed(other, "not-loaded", "component-"));
        Assert.True(TimeProvider.System.GetElapsedTime(started) < others.Length * LoadTimeout, "each waited for itself");
        Assert.True(_daprd.Asked > asked);
    }

    [Fact]
    public async Task Given_a_sidecar_that_is_down_When_there_is_nothing_to_load_Then_it_is_not_asked()
    {
        await ApplyAsync(Logging);
        _daprd.IsDown = true;
        var asked = _daprd.Asked;
        var empty = Desired.Configuration("empty");
        await ApplyAsync(empty);
        AssertShows(empty);
        Assert.Equal(["empty"], Applier.Observe().Configurations.Select(configuration => configuration.Name));
        Assert.Equal(asked, _daprd.Asked);
    }

    [Fact]
    public async Task Given_a_refused_configuration_When_applied_Then_it_stays_refused_and_the_sidecar_is_asked_for_the_others()
    {
        var options = Beside(_daprd);
        options.DeniedComponentTypes.Add("denied.*");
        Restart(options);
        var bad = Desired.Configuration("bad", Desired.Component("nothing", type: "denied.type"));
        await ApplyAsync(bad, Logging);
        AssertRefused(bad, "denied-component-type", "'nothing'");
        AssertShows(Logging);
    }

    [Fact]
    public async Task Given_an_Agent_that_waits_for_its_sidecar_When_it_stops_Then_it_stops_at_once()
    {
        var options = Beside(_daprd);
        options.DaprLoadTimeout = TimeSpan.FromMinutes(5);
        Restart(options);
        _daprd.IsDown = true;
        using var stop = new CancellationTokenSource();
        var applying = Applier.ApplyAsync(1, Desired.State(Logging), [], stop.Token);
        await Eventually.IsTrueAsync(() => Volatile.Read(ref _daprd.Asked) > 0, "the first question");
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => applying);
    }

    [Fact]
    public async Task Given_content_and_secret_that_change_together_When_rotated_a_hundred_times_Then_the_sidecar_never_sees_a_mixture()
    {
        const int Rotations = 100;
        using var done = new CancellationTokenSource();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var looking = Task.Run(() =>
        {
            while (!done.IsCancellationRequested)
            {
                if (_daprd.Look("sink") is not { } settings)
                    continue; // being replaced
                Assert.Equal(settings["url"], settings["orders-token"]);
                Assert.Equal(settings["url"], settings["logs-key"]);
                seen.Add(settings["url"]);
            }
        }, CancellationToken.None);

        for (var n = 1; n <= Rotations; n++)
        {
            var version = $"v{n}";
            await ApplyAsync([Desired.Secret("orders", $"o{n}", ("token", version)), Desired.Secret("logs", $"l{n}", ("key", version))],
                Desired.Configuration("shop", Desired.Referring("sink", version, "orders/token", "logs/key")));
            Assert.Equal(ApplyOutcome.Applied, Reported("shop").Outcome);
        }

        Assert.Equal($"v{Rotations}", _daprd.Look("sink")?["orders-token"]);
        await done.CancelAsync();
        await looking;
        Assert.Null(_daprd.Ended);
        Assert.True(seen.Count > 1, "it was looked at between rotations");
        Assert.Equal([$"logs@l{Rotations}", $"orders@o{Rotations}"], Held);
        Assert.Single(SecretFiles);
    }

    private static TimeSpan LoadTimeout { get; } = TimeSpan.FromSeconds(1);

    private AgentOptions Beside(DaprdDouble daprd)
    {
        var options = Options(Resources);
        (options.DaprGrpcEndpoint, options.DaprLoadTimeout) = (daprd.GrpcEndpoint, LoadTimeout);
        return options;
    }
}
