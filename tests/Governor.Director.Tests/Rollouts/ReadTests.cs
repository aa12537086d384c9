using System.Net;
using System.Text.Json.Nodes;
using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Rollouts;

public sealed class ReadTests : DirectorTests
{
    [Fact]
    public async Task Given_configurations_When_read_Then_list_newest_and_each_revision_tell_what_was_put()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        (await Host.PutAsync("cache", Change.To("redis-b"), ("Requested-By", "ann"))).Is(HttpStatusCode.Accepted);
        await Host.GivenRolledOutAsync("logs", Change.To("logs-a", component: "logs"));

        Assert.Equal(["cache", "logs"], (await Host.GetAsync("/api/v1/configurations")).Items.Select(c => (string?)c["name"]));
        var newest = (await Host.GetAsync("/api/v1/configurations/cache")).Is(HttpStatusCode.OK);
        Assert.Equal((2, "\"2\"", "ann"), (newest.Number("revision"), newest.ETag, newest.Text("createdBy")));
        var revisions = (await Host.GetAsync("/api/v1/configurations/cache/revisions")).Items;
        Assert.Equal([2, 1], revisions.Select(r => (int)r["revision"]!));
        var first = (await Host.GetAsync("/api/v1/configurations/cache/revisions/1")).Is(HttpStatusCode.OK);
        Assert.Equal("redis-a", (string?)first.Json!["content"]!["components"]![0]!["metadata"]![0]!["value"]);
        Assert.Equal(64, first.Text("digest")!.Length);
    }

    [Fact]
    public async Task Given_two_revisions_When_compared_Then_the_difference_is_told_component_by_component()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.Of(new { }, null, null,
            Change.Component("stays", "a"), Change.Component("changes", "a"), Change.Component("goes", "a")));
        await Host.GivenRolledOutAsync("cache", Change.Of(new { kinds = new[] { Fleet.Kind } }, 3, null,
            Change.Component("stays", "a"), Change.Component("changes", "b"), Change.Component("comes", "a")));

        var diff = (await Host.GetAsync("/api/v1/configurations/cache/revisions/1/diff/2")).Is(HttpStatusCode.OK).Json!;

        Assert.Equal("comes", (string?)Assert.Single(diff["added"]!.AsArray())!["name"]);
        Assert.Equal("goes", (string?)Assert.Single(diff["removed"]!.AsArray())!["name"]);
        var changed = Assert.Single(diff["changed"]!.AsArray())!;
        Assert.Equal(("a", "b"), (Value(changed["before"]!), Value(changed["after"]!)));
        Assert.Equal((true, true), ((bool)diff["targetChanged"]!, (bool)diff["priorityChanged"]!));

        static string? Value(JsonNode component) => (string?)component["metadata"]![0]!["value"];
    }

    [Fact]
    public async Task Given_many_revisions_and_rollouts_When_listed_by_page_Then_each_is_there_once_the_newest_first()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var rollouts = new List<string>();
        foreach (var host in new[] { "a", "b", "c" })
            rollouts.Insert(0, await Host.GivenRolledOutAsync("cache", Change.To(host)));

        Assert.Equal(rollouts, await PagesAsync("/admin/rollouts?", "rolloutId"));
        Assert.Equal(["3", "2", "1"], await PagesAsync("/api/v1/configurations/cache/revisions?", "revision"));
        Assert.Equal(rollouts, await PagesAsync("/admin/rollouts?state=Succeeded&configuration=cache&", "rolloutId"));
        Assert.Empty(await PagesAsync("/admin/rollouts?state=Failed&", "rolloutId"));
        Assert.Empty(await PagesAsync("/admin/rollouts?configuration=other&", "rolloutId"));
    }

    private async Task<IReadOnlyList<string>> PagesAsync(string path, string field)
    {
        var found = new List<string>();
        for (string? cursor = ""; cursor is not null;)
        {
            var page = (await Host.GetAsync($"{path}limit=2{(cursor.Length == 0 ? "" : $"&cursor={cursor}")}")).Is(HttpStatusCode.OK);
            found.AddRange(page.Items.Select(item => item[field]!.ToString()));
            cursor = page.Text("nextCursor");
        }

        return found;
    }
}
