namespace Governor.Director.Tests.Hosting;

/// <summary>Stands still unless a test moves it, so that no deadline passes because the machine is slow. Each look at it is a
/// millisecond later than the one before, which keeps order. Timers run by the machine's clock, ten times as fast.</summary>
internal sealed class TestClock : TimeProvider
{
    private const int TimesAsFast = 10;
    private long ticks = new DateTimeOffset(2031, 5, 1, 12, 0, 0, TimeSpan.Zero).UtcTicks;

    public override DateTimeOffset GetUtcNow() =>
        new(Interlocked.Add(ref ticks, TimeSpan.TicksPerMillisecond), TimeSpan.Zero);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        base.CreateTimer(callback, state, Faster(dueTime), Faster(period));

    public void Advance(TimeSpan by) => Interlocked.Add(ref ticks, by.Ticks);

    private static TimeSpan Faster(TimeSpan time) => time == Timeout.InfiniteTimeSpan ? time : time / TimesAsFast;
}
