using System.Text.Json.Nodes;
using Governor.Agent.DaprFolder;
using Microsoft.Extensions.Logging.Abstractions;

namespace Governor.Agent.Tests.DaprFolder.Secrets;

/// <summary>What is reported when another hand was at the secrets, or a crash left a part; and that the same message repairs it.</summary>
public sealed class SecretObservationTests : SecretScenario
{
    [Theory]
    [InlineData("""{"orders":{"token":"evil"}}""")]
    [InlineData("")]
    [InlineData("not json")]
    public async Task Given_a_secret_file_that_another_hand_changed_When_observed_Then_its_credential_is_tampered_and_the_next_apply_repairs_it(string content)
    {
        await ApplyAsync([Orders("v1")], Shop());
        File.WriteAllText(PathOf(SecretFile("orders@v1")), content);
        Assert.Equal(["orders@tampered", "orders@v1"], Held);
        AssertShows(Shop()); // the configuration itself is as it was

        await RepairedAsync();
    }

    [Theory]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.UserRead)]
    public async Task Given_a_secret_file_with_another_mode_When_observed_Then_its_credential_is_tampered_and_the_next_apply_repairs_it(UnixFileMode mode)
    {
        if (OperatingSystem.IsWindows())
            return; // access there follows the folder's list

        await ApplyAsync([Orders("v1")], Shop());
        File.SetUnixFileMode(PathOf(SecretFile("orders@v1")), mode);
        Assert.Equal(["orders@tampered", "orders@v1"], Held);

        await RepairedAsync();
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(PathOf(SecretFile("orders@v1"))));
    }

    [Theory]
    [InlineData("kind: Component # edited")]
    [InlineData("")]
    [InlineData("not: [yaml")]
    public async Task Given_a_store_that_another_hand_changed_When_observed_Then_its_credential_is_tampered_and_the_next_apply_repairs_it(string content)
    {
        await ApplyAsync([Orders("v1")], Shop());
        File.WriteAllText(PathOf(StoreFile("orders@v1")), content);
        Assert.Equal(["orders@tampered", "orders@v1"], Held);
        await RepairedAsync();
    }

    [Fact]
    public async Task Given_a_store_that_is_gone_When_observed_Then_its_credential_is_tampered_because_the_secrets_are_still_there()
    {
        await ApplyAsync([Orders("v1")], Shop());
        File.Delete(PathOf(StoreFile("orders@v1")));
        Assert.Equal(["orders@tampered", "orders@v1"], Held);
        await RepairedAsync();
    }

    [Fact]
    public async Task Given_a_secret_file_that_is_gone_When_observed_Then_its_credential_is_not_listed_and_the_next_apply_repairs_it()
    {
        await ApplyAsync([Orders("v1")], Shop());
        File.Delete(PathOf(SecretFile("orders@v1")));
        Assert.Empty(Held);
        await RepairedAsync();
    }

    [Fact]
    public async Task Given_two_stores_of_a_credential_When_the_file_of_one_is_gone_or_changed_Then_the_other_still_holds_it()
    {
        await ApplyAsync([Orders("v1"), Logs("x")],
            Desired.Configuration("shop", Desired.Referring("sink", "one", "orders/token"), Desired.Referring("both", "one", "orders/token", "logs/key")));
        File.WriteAllText(PathOf(SecretFile("logs@x", "orders@v1")), "{}");
        Assert.Equal(["logs@tampered", "logs@x", "orders@tampered", "orders@v1"], Held);
        File.Delete(PathOf(SecretFile("logs@x", "orders@v1")));
        Assert.Equal(["orders@v1"], Held);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("""{"another":"0123"}""")]
    public async Task Given_the_state_lost_When_observed_Then_everything_counts_as_tampered_until_the_next_message(string? content)
    {
        await ApplyAsync([Orders("v1")], Shop());
        if (content is null)
            File.Delete(MacsPath);
        else
            File.WriteAllText(MacsPath, content);
        Restart();
        Assert.Equal(["orders@tampered", "orders@v1"], Held);

        Age(SecretFile("orders@v1"), StoreFile("orders@v1"), "sink.yaml");
        await RepairedAsync();
        Assert.True(IsAged(SecretFile("orders@v1")) && IsAged(StoreFile("orders@v1")) && IsAged("sink.yaml")); // they were never wrong
    }

    [Fact]
    public async Task Given_another_MAC_key_When_observed_Then_everything_counts_as_tampered_And_what_is_kept_is_no_plain_hash()
    {
        await ApplyAsync([Orders("v1")], Shop());
        var kept = JsonNode.Parse(File.ReadAllText(MacsPath))![Id("orders@v1")]!.GetValue<string>().Split('\n')[0];
        Assert.Equal(64, kept.Length);
        Assert.NotEqual(FolderReader.Hash(File.ReadAllBytes(PathOf(SecretFile("orders@v1")))), kept);

        var other = new DaprFolderApplier(Options(Resources), new byte[32], TimeProvider.System,
            NullLogger.Instance);
        Assert.Equal(["tampered", "v1"], other.Observe().Credentials.Select(held => held.VersionId));
    }

    [Fact]
    public async Task Given_the_mark_lost_When_observed_Then_the_stores_still_say_what_they_hold_and_the_next_message_makes_them_whole()
    {
        await ApplyAsync([Orders("v1"), Logs("x")],
            Desired.Configuration("shop", Desired.Referring("sink", "one", "orders/token", "logs/key")));
        File.Delete(PathOf(".governor.json"));
        Restart();
        Assert.Equal(["logs@tampered", "logs@x", "orders@tampered", "orders@v1"], Held);

        await ApplyAsync([Orders("v1"), Logs("x")],
            Desired.Configuration("shop", Desired.Referring("sink", "one", "orders/token", "logs/key")));
        Assert.Equal(["logs@x", "orders@v1"], Held);
    }

    [Fact]
    public async Task Given_the_mark_lost_When_nothing_is_desired_Then_stores_and_secrets_go_all_the_same()
    {
        await ApplyAsync([Orders("v1")], Shop());
        File.Delete(PathOf(".governor.json"));
        Restart();
        await ApplyAsync();
        Assert.Empty(ComponentFiles);
        Assert.Empty(SecretFiles);
        Assert.Empty(Held);
    }

    [Fact]
    public async Task Given_a_crash_after_the_store_was_written_When_observed_Then_the_new_version_is_not_told_as_whole_and_the_message_comes_again_and_ends_it()
    {
        await ApplyAsync([Orders("v1")], Shop());
        var (component, mark) = (Text("sink.yaml"), Text(".governor.json"));
        var (file, store) = (PathOf(SecretFile("orders@v1")), PathOf(StoreFile("orders@v1")));
        var (secrets, first) = (File.ReadAllBytes(file), File.ReadAllBytes(store));
        await ApplyAsync([Orders("v2")], Shop());
        // As it was when the process died: both stores, the old component, the old mark.
        File.WriteAllText(PathOf("sink.yaml"), component);
        File.WriteAllText(PathOf(".governor.json"), mark);
        File.WriteAllBytes(store, first);
        AtomicFile.Write(file, secrets, secret: true);
        Restart();

        Assert.Equal(["orders@tampered", "orders@v1", "orders@v2"], Held); // the new one is there, and not for sure
        AssertShows(Shop());
        Assert.Equal("t0p-s3cretv1", Resolve("sink", "orders", "token"));

        await ApplyAsync([Orders("v2")], Shop());
        Assert.Equal(["orders@v2"], Held);
        Assert.Equal([SecretFile("orders@v2")], SecretFiles);
    }

    [Fact]
    public async Task Given_a_crash_after_the_secret_file_was_written_When_another_message_comes_Then_the_file_goes()
    {
        await ApplyAsync([Orders("v1")], Shop());
        AtomicFile.Write(PathOf(SecretFile("orders@v2")), [1], secret: true);
        await ApplyAsync([Orders("v1")], Shop());
        Assert.Equal([SecretFile("orders@v1")], SecretFiles);
    }

    [Fact]
    public async Task Given_a_crash_between_components_and_removal_When_observed_Then_the_old_version_is_still_listed_and_the_next_message_removes_it()
    {
        await ApplyAsync([Orders("v1")], Shop());
        var (file, store) = (File.ReadAllBytes(PathOf(SecretFile("orders@v1"))), File.ReadAllBytes(PathOf(StoreFile("orders@v1"))));
        await ApplyAsync([Orders("v2")], Shop());
        AtomicFile.Write(PathOf(SecretFile("orders@v1")), file, secret: true);
        File.WriteAllBytes(PathOf(StoreFile("orders@v1")), store);

        Assert.Equal(["orders@tampered", "orders@v1", "orders@v2"], Held);
        await ApplyAsync([Orders("v2")], Shop());
        Assert.Equal(["orders@v2"], Held);
        Assert.Equal([SecretFile("orders@v2")], SecretFiles);
    }

    [Fact]
    public async Task Given_a_second_Agent_of_the_runtime_When_it_rotates_Then_the_first_one_knows_what_is_whole()
    {
        await ApplyAsync([Orders("v1")], Shop());
        await NewApplier().ApplyAsync(9, Desired.State([Orders("v2")], Shop()), [Orders("v2")], CancellationToken.None);
        Assert.Equal(["orders@v2"], Held);
        await Applier.ApplyAsync(10, Desired.State([Orders("v3")], Shop()), [Orders("v3")], CancellationToken.None);
        Assert.Equal(["orders@v3"], Held);
    }

    [Fact]
    public async Task Given_a_component_changed_by_hand_that_refers_to_a_store_When_its_configuration_is_repaired_Then_all_is_as_before()
    {
        await ApplyAsync([Orders("v1")], Shop());
        File.WriteAllText(PathOf("sink.yaml"), "kind: Component # edited");
        await RepairedAsync();
        Assert.Equal("t0p-s3cretv1", Resolve("sink", "orders", "token"));
    }

    /// <summary>The same message again makes all whole.</summary>
    private async Task RepairedAsync()
    {
        await ApplyAsync([Orders("v1")], Shop());
        Assert.Equal(["orders@v1"], Held);
        Assert.Equal("t0p-s3cretv1", Resolve("sink", "orders", "token"));
        Assert.Equal(2, ComponentFiles.Length);
        AssertShows(Shop());
    }
}
