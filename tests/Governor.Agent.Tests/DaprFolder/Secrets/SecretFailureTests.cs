using Governor.Agent.DaprFolder;
using Governor.Agent.DaprFolder.Secrets;
using Governor.Contracts;
using Governor.Messaging.Sealing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Governor.Agent.Tests.DaprFolder.Secrets;

/// <summary>Configurations whose secrets cannot be had, and what becomes of the content that they keep.</summary>
public sealed class SecretFailureTests : SecretScenario
{
    private static readonly DesiredConfiguration Other = Desired.Configuration("other", Desired.Referring("fine", "one", "logs/key"));

    [Theory]
    [InlineData("orders/password", "'password' of credential 'orders'")]
    [InlineData("nobody/token", "'token' of credential 'nobody'")]
    public async Task Given_a_reference_that_leads_nowhere_When_applied_Then_its_configuration_fails_and_keeps_its_last_good_content(string reference, string named)
    {
        await ApplyAsync([Orders("v1")], Shop());
        var bad = Desired.Configuration("shop", Desired.Referring("sink", "two", "orders/token", reference));
        await ApplyAsync([Orders("v1"), Logs("x")], bad, Other);

        AssertFailed(bad, "secret-entry-missing", named);
        Assert.Equal(Shop().Digest, Reported("shop").Digest);
        Assert.Equal("t0p-s3cretv1", Resolve("sink", "orders", "token"));
        AssertShows(Other);
        Assert.Equal(["logs@x", "orders@v1"], Held);
    }

    [Fact]
    public async Task Given_a_secret_file_that_cannot_be_written_When_applied_Then_its_configuration_fails_and_keeps_its_last_good_content()
    {
        await ApplyAsync([Orders("v1")], Shop());
        Directory.CreateDirectory(PathOf(SecretFile("orders@v2")));
        await ApplyAsync([Orders("v2"), Logs("x")], Shop("two"), Other);

        AssertFailed(Shop("two"), "secret-not-written", SecretFile("orders@v2"));
        Assert.Equal(Shop().Digest, Reported("shop").Digest);
        Assert.Equal("t0p-s3cretv1", Resolve("sink", "orders", "token"));
        AssertShows(Other);
        Assert.Equal(["logs@x", "orders@v1"], Held);
        Assert.DoesNotContain("s3cret", Reported("shop").Message, StringComparison.Ordinal);

        Directory.Delete(PathOf(SecretFile("orders@v2")));
        await ApplyAsync([Orders("v2"), Logs("x")], Shop("two"), Other);
        AssertShows(Shop("two"));
        Assert.Equal(["logs@x", "orders@v2"], Held);
    }

    [Fact]
    public async Task Given_a_state_folder_that_cannot_be_written_When_applied_Then_the_configuration_fails()
    {
        File.WriteAllText(State, "a file");
        await ApplyAsync([Orders("v1")], Shop());
        AssertFailed(Shop(), "secret-not-written", State);
        Assert.Null(Reported("shop").Digest);
    }

    [Fact]
    public async Task Given_a_component_named_like_a_store_When_applied_Then_its_configuration_is_rejected()
    {
        var bad = Desired.Configuration("bad", Desired.Component("governor-secrets-0123456789abcdef"));
        await ApplyAsync(bad);
        AssertRefused(bad, "invalid-component-name", "'governor-secrets-0123456789abcdef'");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Given_a_store_of_another_hand_by_that_name_When_applied_Then_it_is_foreign_and_nothing_is_touched(bool bySameFile)
    {
        var theirs = ForeignComponent($"governor-secrets-{Id("orders@v1")}");
        var file = bySameFile ? StoreFile("orders@v1") : "theirs.yaml";
        Foreign(file, theirs);
        await ApplyAsync([Orders("v1")], Shop());

        AssertRefused(Shop(), "foreign", file);
        Assert.Equal(theirs, Text(file));
        Assert.Equal([file], ComponentFiles);
        Assert.Empty(SecretFiles);

        File.Delete(PathOf(file));
        Assert.Equal(ApplyOutcome.Failed, Reported("shop").Outcome);
        await ApplyAsync([Orders("v1")], Shop());
        AssertShows(Shop());
    }

    [Fact]
    public async Task Given_kept_content_When_its_credential_is_rotated_Then_only_the_line_that_names_the_store_changes_and_the_old_version_goes()
    {
        await ApplyAsync([Orders("v1")], Shop());
        var before = Text("sink.yaml");
        await RefuseAsync(Orders("v2"));

        Assert.Equal(before.Replace(Id("orders@v1"), Id("orders@v2"), StringComparison.Ordinal), Text("sink.yaml"));
        Assert.Equal("t0p-s3cretv2", Resolve("sink", "orders", "token"));
        Assert.Equal(Shop().Digest, Reported("shop").Digest);
        Assert.Equal(ApplyOutcome.Rejected, Reported("shop").Outcome);
        Assert.Equal([SecretFile("orders@v2")], SecretFiles);
        Assert.Equal(["orders@v2"], Held);

        Age("sink.yaml", SecretFile("orders@v2"), StoreFile("orders@v2"));
        await RefuseAsync(Orders("v2"));
        Assert.True(IsAged("sink.yaml") && IsAged(SecretFile("orders@v2")) && IsAged(StoreFile("orders@v2")));
    }

    [Fact]
    public async Task Given_kept_content_When_the_next_version_lacks_an_entry_Then_it_keeps_its_old_one()
    {
        await ApplyAsync([Orders("v1")], Shop());
        await RefuseAsync(Desired.Secret("orders", "v2", ("other", "s3cret")));
        Assert.Equal("t0p-s3cretv1", Resolve("sink", "orders", "token"));
        Assert.Equal(["orders@v1"], Held);

        await RefuseAsync(Desired.Secret("orders", "v3", ("other", "s3cret"), ("token", "more")));
        Assert.Equal("more", Resolve("sink", "orders", "token"));
        Assert.Equal(["orders@v3"], Held);
    }

    [Fact]
    public async Task Given_kept_content_When_the_message_has_its_credential_no_more_Then_it_keeps_its_old_one()
    {
        await ApplyAsync([Orders("v1")], Shop());
        await RefuseAsync();
        Assert.Equal("t0p-s3cretv1", Resolve("sink", "orders", "token"));
        Assert.Equal(["orders@v1"], Held);
    }

    [Fact]
    public async Task Given_kept_content_of_two_credentials_When_one_is_rotated_and_the_other_gone_Then_it_has_the_new_and_the_old()
    {
        await ApplyAsync([Orders("v1"), Logs("x")], Desired.Configuration("shop", Desired.Referring("sink", "one", "orders/token", "logs/key")));
        await RefuseAsync(Orders("v2"));

        Assert.Equal(("t0p-s3cretv2", "log-s3cretx"), (Resolve("sink", "orders", "token"), Resolve("sink", "logs", "key")));
        Assert.Equal([SecretFile("logs@x", "orders@v2")], SecretFiles);
        Assert.Equal(["logs@x", "orders@v2"], Held);
    }

    [Fact]
    public async Task Given_kept_content_whose_old_secrets_were_changed_When_one_of_two_is_rotated_Then_nothing_of_that_is_taken_over()
    {
        await ApplyAsync([Orders("v1"), Logs("x")], Desired.Configuration("shop", Desired.Referring("sink", "one", "orders/token", "logs/key")));
        File.WriteAllText(PathOf(SecretFile("logs@x", "orders@v1")), """{"orders":{"token":"evil"},"logs":{"key":"evil","user":"evil"}}""");
        await RefuseAsync(Orders("v2"));
        Assert.Equal([SecretFile("logs@x", "orders@v1")], SecretFiles);
        Assert.Equal(["logs@tampered", "logs@x", "orders@tampered", "orders@v1"], Held);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Given_kept_content_whose_store_was_changed_When_the_same_version_comes_Then_it_is_repaired(bool theFile)
    {
        await ApplyAsync([Orders("v1")], Shop());
        File.WriteAllText(PathOf(theFile ? SecretFile("orders@v1") : StoreFile("orders@v1")), "changed");
        Assert.Equal(["orders@tampered", "orders@v1"], Held);
        await RefuseAsync(Orders("v1"));
        Assert.Equal(["orders@v1"], Held);
        Assert.Equal("t0p-s3cretv1", Resolve("sink", "orders", "token"));
    }

    [Fact]
    public async Task Given_kept_content_When_another_hand_has_the_name_of_its_next_store_Then_it_keeps_its_old_one_and_nothing_is_touched()
    {
        await ApplyAsync([Orders("v1")], Shop());
        Foreign(StoreFile("orders@v2"), ForeignComponent("theirs"));
        await RefuseAsync(Orders("v2"));
        Assert.Equal(ForeignComponent("theirs"), Text(StoreFile("orders@v2")));
        Assert.Equal("t0p-s3cretv1", Resolve("sink", "orders", "token"));
        Assert.Equal(["orders@v1"], Held);
    }

    [Fact]
    public async Task Given_a_folder_that_could_not_be_read_whole_When_secrets_are_tidied_Then_none_goes()
    {
        await ApplyAsync([Orders("v1")], Shop());
        var stores = new SecretStores(Resources, Resources, new SecretMacs(State, MacKey, NullLogger.Instance));
        stores.RemoveUnused(new FolderMark(), new FolderSnapshot { IsPartial = true });
        Assert.Equal(["orders@v1"], Held);
    }

    [Fact]
    public async Task Given_kept_content_that_another_hand_changed_When_its_credential_is_rotated_Then_it_is_left_alone()
    {
        await ApplyAsync([Orders("v1")], Shop());
        File.AppendAllText(PathOf("sink.yaml"), "# by hand\n");
        var before = Text("sink.yaml");
        await RefuseAsync(Orders("v2"));
        Assert.Equal(before, Text("sink.yaml"));
        Assert.Equal(["orders@v1"], Held);
    }

    [Fact]
    public async Task Given_a_failed_configuration_When_its_version_comes_with_less_Then_the_content_that_it_keeps_is_moved_by_the_next_good_one()
    {
        await ApplyAsync([Orders("v1")], Shop());
        var lacking = Desired.Configuration("shop", Desired.Referring("sink", "two", "orders/other"));
        await ApplyAsync([Orders("v2")], lacking);
        AssertFailed(lacking, "secret-entry-missing", "'other'");
        Assert.Equal(["orders@v2"], Held);
        Assert.Equal(Shop().Digest, Reported("shop").Digest);
    }

    [Fact]
    public async Task Given_a_component_that_stays_because_its_successor_is_refused_When_its_credential_is_rotated_Then_it_moves_too()
    {
        var loser = Desired.Configuration("loser", Desired.Referring("sink", "one", "orders/token"));
        await ApplyAsync([Orders("v1")], loser);
        Restart("denied.*");
        var shadowed = loser with { Components = [loser.Components[0] with { Shadowed = true }] };
        var winner = Desired.Configuration("winner", Desired.Component("sink", "two", "denied.type"));
        await ApplyAsync([Orders("v1")], shadowed, winner);
        await ApplyAsync([Orders("v2")], shadowed, winner);

        Assert.Equal("t0p-s3cretv2", Resolve("sink", "orders", "token"));
        Assert.Equal(["orders@v2"], Held);
        AssertShows(shadowed);
    }

    /// <summary>The next content of the shop is refused, and these are the secrets that come with it.</summary>
    private Task RefuseAsync(params CredentialSecrets[] secrets)
    {
        Restart("denied.*");
        return ApplyAsync(secrets, Desired.Configuration("shop", Desired.Component("next", "two", "denied.type")));
    }
}
