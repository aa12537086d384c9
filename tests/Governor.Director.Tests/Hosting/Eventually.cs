namespace Governor.Director.Tests.Hosting;

/// <summary>Waits for a condition, never for a time.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(10);

    /// <summary>Looks until it is so, and fails with what was waited for when the deadline is over.</summary>
    public static async Task IsTrueAsync(Func<Task<bool>> condition, Func<Task<string>> what)
    {
        using var timer = new PeriodicTimer(LookEvery);
        var started = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(started) >= Deadline)
                Assert.Fail($"Waited in vain for {await what()}");
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
    }

    public static Task IsTrueAsync(Func<Task<bool>> condition, string what) =>
        IsTrueAsync(condition, () => Task.FromResult(what));

    public static Task IsTrueAsync(Func<bool> condition, string what) =>
        IsTrueAsync(() => Task.FromResult(condition()), what);
}
