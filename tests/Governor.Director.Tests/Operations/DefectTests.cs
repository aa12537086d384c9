using System.Net;
using Governor.Director.Tests.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace Governor.Director.Tests.Operations;

public sealed class DefectTests
{
    [Fact]
    public async Task Given_a_defect_When_a_request_meets_it_Then_the_answer_points_to_the_log_and_the_log_tells_it()
    {
        using var log = new LogRecords();
        await using var host = await DirectorHost.StartAsync(log);
        await host.ChangeAsync(db => db.Database.ExecuteSqlRawAsync(
            "ALTER TABLE dead_letters RENAME TO lost", TestContext.Current.CancellationToken));

        (await host.GetAsync("/admin/dead-letters", ("Accept", "text/plain")))
            .IsProblem(HttpStatusCode.InternalServerError, "internal-error", "log");

        var told = Assert.Single(log.Take(), record => record.Level >= LogLevel.Error);
        Assert.Contains("dead_letters", told.Exception?.ToString(), StringComparison.Ordinal);
    }
}
