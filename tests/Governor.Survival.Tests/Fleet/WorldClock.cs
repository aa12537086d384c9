namespace Governor.Survival.Tests.Fleet;

/// <summary>The time of one history, in whole seconds since its beginning. Nothing waits on it, so its timers never fire.</summary>
internal sealed class WorldClock : TimeProvider
{
    public static readonly DateTimeOffset Beginning = new(2031, 5, 1, 12, 0, 0, TimeSpan.Zero);

    public long Now { get; set; }

    public override DateTimeOffset GetUtcNow() => Beginning.AddSeconds(Now);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new Never();

    private sealed class Never : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
