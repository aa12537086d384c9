namespace Governor.IntegrationTests;

/// <summary>Waits for what other processes do: the one place in these tests that polls.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(25);

    /// <summary>Returns once the condition holds, and fails the test when it still does not at the deadline.</summary>
    /// <param name="condition">Asked again and again; its last exception, if any, is shown by the failure.</param>
    /// <param name="deadline">How long to wait at most.</param>
    /// <param name="message">What was waited for, as the failure shows it.</param>
    public static Task TrueAsync(Func<Task<bool>> condition, TimeSpan deadline, string message) =>
        TrueAsync(condition, deadline, () => message);

    /// <inheritdoc cref="TrueAsync(Func{Task{bool}}, TimeSpan, string)"/>
    public static Task TrueAsync(Func<bool> condition, TimeSpan deadline, string message) =>
        TrueAsync(() => Task.FromResult(condition()), deadline, () => message);

    /// <inheritdoc cref="TrueAsync(Func{Task{bool}}, TimeSpan, string)"/>
    /// <param name="condition">Asked again and again; its last exception, if any, is shown by the failure.</param>
    /// <param name="deadline">How long to wait at most.</param>
    /// <param name="message">What was waited for, made at the deadline, so that it can say what was there instead.</param>
    public static async Task TrueAsync(Func<Task<bool>> condition, TimeSpan deadline, Func<string> message)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var start = TimeProvider.System.GetTimestamp();
        using var timer = new PeriodicTimer(Interval, TimeProvider.System);
        while (true)
        {
            Exception? failure = null;
            try
            {
                if (await condition())
                    return;
            }
            catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                failure = e; // the other side may not be there yet
            }

            if (TimeProvider.System.GetElapsedTime(start) > deadline)
                Assert.Fail($"Not within {deadline.TotalSeconds} s: {message()}{(failure is null ? "" : $" ({failure})")}");
            await timer.WaitForNextTickAsync(cancellationToken);
        }
    }
}
