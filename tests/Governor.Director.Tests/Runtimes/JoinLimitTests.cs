using System.Net;
using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Runtimes;

public sealed class JoinLimitTests : DirectorTests
{
    [Fact]
    public async Task Given_labels_that_would_bring_over_1_MiB_When_a_runtime_takes_them_Then_they_are_refused_and_it_stays_as_it_was()
    {
        for (var i = 0; i < 5; i++)
        {
            var body = Change.To(new string('x', 250 * 1024), new { matchLabels = new { join = "yes" } }, component: $"big-{i}")
                .With("allowEmpty", true);
            await Host.UntilRolloutAsync((await Host.PutAsync($"big-{i}", body)).Is(HttpStatusCode.Accepted).RolloutId, "Succeeded");
        }

        await Host.GivenRuntimesAsync("us-2");
        var labels = new { kind = "standalone-kyma", labels = new { join = "yes" } };
        (await Host.SendAsync(HttpMethod.Put, "/api/v1/runtimes/us-2", labels))
            .IsProblem(HttpStatusCode.UnprocessableEntity, "runtime-content-too-large", "us-2", "1048576");
        Assert.Empty((await Host.GetAsync("/api/v1/runtimes/us-2/desired-state")).Is(HttpStatusCode.OK).Json!["configurations"]!.AsArray());
    }

    [Fact]
    public async Task Given_configurations_just_below_1_MiB_When_a_runtime_joins_Then_their_secrets_come_on_top()
    {
        var pool = new { matchLabels = new { join = "yes" } };
        await Host.GivenCredentialAsync("redis", new string('s', 32 * 1024));
        for (var i = 0; i < 4; i++)
        {
            var component = Change.Component($"big-{i}", new string('x', 256_000));
            var body = Change.Of(pool, priority: null, policy: null, i == 0 ? Secrets.Uses(component, "redis", "password") : component).With("allowEmpty", true);
            await Host.UntilRolloutAsync((await Host.PutAsync($"big-{i}", body)).Is(HttpStatusCode.Accepted).RolloutId, "Succeeded");
        }

        await Host.GivenRuntimesAsync("us-2");
        (await Host.RegisterAsync("us-2", new { join = "yes" })).Is(HttpStatusCode.OK);

        await Eventually.IsTrueAsync(() => Host["us-2"].Secret("redis", "password")?.Length == 32 * 1024, "contents and secret");
    }
}
