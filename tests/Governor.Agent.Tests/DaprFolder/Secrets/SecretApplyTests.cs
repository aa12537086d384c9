using System.Text;
using System.Text.Json.Nodes;
using Governor.Agent.DaprFolder;
using Governor.Agent.DaprFolder.Secrets;
using Governor.Specs;

namespace Governor.Agent.Tests.DaprFolder.Secrets;

public sealed class SecretApplyTests : SecretScenario
{
    [Fact]
    public async Task Given_a_component_that_refers_to_a_credential_When_applied_Then_it_finds_the_secret_through_a_store_of_its_own()
    {
        await ApplyAsync([Orders("v1")], Shop());

        Assert.Equal([StoreFile("orders@v1"), "sink.yaml"], ComponentFiles);
        Assert.Equal([SecretFile("orders@v1")], SecretFiles);
        Assert.Equal("""{"orders":{"token":"t0p-s3cretv1"}}""", Text(SecretFile("orders@v1")));
        Assert.Contains($"auth:\n  secretStore: \"governor-secrets-{Id("orders@v1")}\"\n", Text("sink.yaml"), StringComparison.Ordinal);
        Assert.Contains("secretKeyRef:\n      name: \"orders\"\n      key: \"token\"\n", Text("sink.yaml"), StringComparison.Ordinal);
        AssertShows(Shop());
        Assert.Equal(["orders@v1"], Held);
    }

    [Fact]
    public async Task Given_a_store_When_written_Then_it_is_a_valid_Dapr_Component_of_ours_that_names_the_secret_file()
    {
        await ApplyAsync([Orders("v1")], Shop());

        var store = DaprComponentSchema.ToJson(File.ReadAllBytes(PathOf(StoreFile("orders@v1"))));
        Assert.Empty(await DaprComponentSchema.ValidateAsync(store));
        Assert.Empty(await DaprComponentSchema.ValidateAsync(DaprComponentSchema.ToJson(File.ReadAllBytes(PathOf("sink.yaml")))));
        Assert.Equal("governor", store["metadata"]!["labels"]!["app.kubernetes.io/managed-by"]!.GetValue<string>());
        Assert.Equal(("secretstores.local.file", "v1"), (store["spec"]!["type"]!.GetValue<string>(), store["spec"]!["version"]!.GetValue<string>()));
        Assert.True(store["spec"]!["ignoreErrors"]!.GetValue<bool>()); // else a store that cannot be read would end daprd
        Assert.Equal([("secretsFile", PathOf(SecretFile("orders@v1"))), ("multiValued", "true")],
            store["spec"]!["metadata"]!.AsArray().Select(item => (item!["name"]!.GetValue<string>(), item["value"]!.GetValue<string>())));
    }

    [Fact]
    public async Task Given_a_sidecar_that_sees_the_folder_elsewhere_When_applied_Then_the_store_names_the_file_there()
    {
        var options = Options(Resources);
        options.DaprResourcesPath = "/components/";
        Restart(options);
        await ApplyAsync([Orders("v1")], Shop());
        Assert.Contains($"value: \"/components/{SecretFile("orders@v1")}\"\n", Text(StoreFile("orders@v1")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_secrets_When_written_Then_nobody_else_may_read_them_and_no_other_file_holds_them()
    {
        await ApplyAsync([Orders("v1"), Logs("x")], Desired.Configuration("shop", Desired.Referring("sink", "one", "orders/token", "logs/key")));

        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(OwnerOnly, File.GetUnixFileMode(PathOf(Assert.Single(SecretFiles))));
            Assert.Equal(OwnerOnly, File.GetUnixFileMode(MacsPath));
            // From its first moment on, under the name that nobody reads.
            Assert.Equal(OwnerOnly, File.GetUnixFileMode(AtomicFile.Stage(Resources, [1], secret: true)));
        }

        var others = Directory.EnumerateFiles(Resources).Concat(Directory.EnumerateFiles(State)).Where(path => Path.GetFileName(path) != SecretFiles[0]);
        Assert.All(others, path => Assert.DoesNotContain("s3cret", File.ReadAllText(path), StringComparison.Ordinal));
        Assert.Equal(["logs@x", "orders@v1"], Held);
    }

    [Fact]
    public async Task Given_applied_secrets_When_the_same_comes_again_Then_nothing_is_written()
    {
        await ApplyAsync([Orders("v1")], Shop());
        string[] all = [StoreFile("orders@v1"), SecretFile("orders@v1"), "sink.yaml", "../state/secret-macs.json"];
        Age(all);
        await ApplyAsync([Orders("v1")], Shop());
        Restart();
        await ApplyAsync([Orders("v1")], Shop());
        Assert.All(all, name => Assert.True(IsAged(name), name));
    }

    [Fact]
    public async Task Given_a_rotation_When_applied_Then_only_the_components_that_use_the_credential_are_written_and_the_old_version_goes()
    {
        var configuration = Desired.Configuration("shop",
            Desired.Referring("sink", "one", "orders/token"), Desired.Referring("audit", "one", "logs/key"), Desired.Component("plain"));
        await ApplyAsync([Orders("v1"), Logs("x")], configuration);
        Age("sink.yaml", "audit.yaml", "plain.yaml", StoreFile("logs@x"), SecretFile("logs@x"));
        await ApplyAsync([Orders("v2"), Logs("x")], configuration);

        Assert.Equal((false, true, true), (IsAged("sink.yaml"), IsAged("audit.yaml"), IsAged("plain.yaml")));
        Assert.True(IsAged(StoreFile("logs@x")) && IsAged(SecretFile("logs@x")));
        Assert.Equal(new[] { SecretFile("logs@x"), SecretFile("orders@v2") }.Order(StringComparer.Ordinal), SecretFiles);
        Assert.Equal(2, StoreFiles.Length);
        Assert.Equal("t0p-s3cretv2", Resolve("sink", "orders", "token"));
        Assert.Equal(["logs@x", "orders@v2"], Held);
        AssertShows(configuration);
    }

    [Fact]
    public async Task Given_rotations_When_the_folder_is_looked_at_between_any_two_steps_Then_the_store_and_secrets_that_a_component_refers_to_are_there()
    {
        using var done = new CancellationTokenSource();
        var looks = 0;
        var looking = Task.Run(() =>
        {
            for (; !done.IsCancellationRequested; looks++)
            {
                if (!File.Exists(PathOf("sink.yaml")))
                    continue;
                var id = ComponentYaml.StoreOf(File.ReadAllBytes(PathOf("sink.yaml")));
                // What is gone is right only if the component has moved on.
                if (!File.Exists(PathOf($"governor-secrets-{id}.yaml")) || !File.Exists(PathOf($".governor-secrets-{id}.json")))
                    Assert.NotEqual(id, ComponentYaml.StoreOf(File.ReadAllBytes(PathOf("sink.yaml"))));
            }
        }, CancellationToken.None);

        for (var n = 0; n < 50; n++)
            await ApplyAsync([Orders($"v{n}")], Shop($"{n / 2}"));
        await done.CancelAsync();
        await looking;
        Assert.True(looks > 50, $"{looks} looks");
    }

    [Fact]
    public async Task Given_components_of_the_same_credentials_When_applied_Then_they_share_a_store_And_other_sets_have_their_own()
    {
        await ApplyAsync([Orders("v1"), Logs("x")],
            Desired.Configuration("a", Desired.Referring("a1", "one", "orders/token"), Desired.Referring("a2", "one", "orders/token", "logs/key")),
            Desired.Configuration("b", Desired.Referring("b1", "one", "orders/token"), Desired.Referring("b2", "one", "logs/user", "orders/token")));

        Assert.Equal(new[] { StoreFile("orders@v1"), StoreFile("logs@x", "orders@v1") }.Order(StringComparer.Ordinal), StoreFiles);
        Assert.Equal(("t0p-s3cretv1", "governor"), (Resolve("b1", "orders", "token"), Resolve("b2", "logs", "user")));
        Assert.Equal(["logs@x", "orders@v1"], Held);
    }

    [Fact]
    public async Task Given_secrets_When_nothing_refers_to_them_any_more_Then_they_go_with_all_that_is_remembered_of_them()
    {
        await ApplyAsync([Orders("v1")], Shop());
        await ApplyAsync(Desired.Configuration("shop", Desired.Component("sink")));

        Assert.Equal(["sink.yaml"], ComponentFiles);
        Assert.Empty(SecretFiles);
        Assert.Empty(Held);
        Assert.Equal("{}", File.ReadAllText(MacsPath));
        Assert.DoesNotContain("orders", Text(".governor.json"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_secrets_When_nothing_is_desired_Then_they_go_too()
    {
        await ApplyAsync([Orders("v1")], Shop());
        await ApplyAsync();
        Assert.Empty(ComponentFiles);
        Assert.Empty(SecretFiles);
        Assert.Empty(Held);
    }

    [Fact]
    public async Task Given_a_shadowed_component_When_it_refers_to_a_credential_Then_that_is_not_written()
    {
        await ApplyAsync([Orders("v1")],
            Desired.Configuration("loser", Desired.Referring("sink", "one", "orders/token") with { Shadowed = true }),
            Desired.Configuration("winner", Desired.Component("sink")));
        Assert.Empty(SecretFiles);
        Assert.Empty(Held);
    }

    [Fact]
    public async Task Given_secrets_of_every_kind_of_text_When_read_as_daprd_does_Then_each_is_what_it_was()
    {
        string[] values = ["", "two\nlines", "\"quoted\" \\ back", "é😀\u2028", "true", "{\"a\":1}", new('x', 100_000)];
        var secret = Desired.Secret("orders", "v1", [.. values.Select((value, n) => ($"entry{n}", value))]);
        await ApplyAsync([secret], Desired.Configuration("shop", Desired.Referring("sink", "one", "orders/entry0")));
        for (var n = 0; n < values.Length; n++)
            Assert.Equal(values[n], Resolve("sink", "orders", $"entry{n}"));
    }

    [Fact]
    public void Given_a_set_When_its_order_differs_Then_its_id_does_not_And_it_never_depends_on_a_secret()
    {
        var set = new SecretSet([Orders("v1"), Logs("x")]);
        Assert.Equal(Id("logs@x", "orders@v1"), set.Id);
        Assert.Equal(set.Id, new SecretSet([Logs("x"), Orders("v1", "other")]).Id);
        Assert.Equal(set.Content(), new SecretSet([Logs("x"), Orders("v1")]).Content());
        Assert.NotEqual(set.Id, new SecretSet([Logs("x"), Orders("v2")]).Id);
        Assert.Equal([("logs", "x"), ("orders", "v1")], SecretSet.Parse(set.Versions));
    }

    [Fact]
    public void Given_a_component_whose_value_looks_like_a_store_When_its_store_is_sought_Then_only_its_own_line_counts()
    {
        var tricky = Desired.Component("tricky") with
        {
            Metadata = [Desired.Setting("a", "\nauth:\n  secretStore: \"governor-secrets-0123456789abcdef\"\n"), Desired.Setting("b", new JsonObject { ["auth"] = new JsonObject { ["secretStore"] = "governor-secrets-0123456789abcdef" } })],
        };
        var configuration = Desired.Configuration("shop", tricky);
        Assert.Null(ComponentYaml.StoreOf(ComponentYaml.Render(configuration, tricky)));

        var rendered = ComponentYaml.Render(configuration, tricky, "governor-secrets-aaaaaaaaaaaaaaaa");
        Assert.Equal("aaaaaaaaaaaaaaaa", ComponentYaml.StoreOf(rendered));
        Assert.Equal(ComponentYaml.Render(configuration, tricky, "governor-secrets-bbbbbbbbbbbbbbbb"), ComponentYaml.WithStore(rendered, "bbbbbbbbbbbbbbbb"));
        Assert.Contains("0123456789abcdef", Encoding.UTF8.GetString(ComponentYaml.WithStore(rendered, "bbbbbbbbbbbbbbbb")), StringComparison.Ordinal);
    }

    [Fact]
    public void Given_secrets_When_they_are_shown_as_text_Then_no_value_is()
    {
        Assert.DoesNotContain("s3cret", Orders("v1").ToString(), StringComparison.Ordinal);
    }
}
