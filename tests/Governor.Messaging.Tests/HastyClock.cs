namespace Governor.Messaging.Tests;

/// <summary>Its timers run a hundred times as fast, so that long waits are short here.</summary>
internal sealed class HastyClock : TimeProvider
{
    private const int TimesAsFast = 100;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        base.CreateTimer(callback, state, Faster(dueTime), Faster(period));

    private static TimeSpan Faster(TimeSpan time) => time == Timeout.InfiniteTimeSpan ? time : time / TimesAsFast;
}
