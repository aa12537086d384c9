using Governor.IntegrationTests.Crashes;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Events;

/// <summary>A Director whose drift job runs each second, and a foreign subscriber that hears all that it announces.</summary>
public sealed class EventFixture : IAsyncLifetime
{
    private Sandbox? sandbox;
    private RunningDirector? director;
    private ForeignSubscriber? subscriber;
    private Rows? rows;

    internal Sandbox Sandbox => sandbox!;

    internal DirectorApi Api => director!.Api;

    internal ForeignSubscriber Subscriber => subscriber!;

    internal Rows Rows => rows!;

    public async ValueTask InitializeAsync()
    {
        sandbox = await Sandbox.CreateAsync();
        rows = Rows.Of(sandbox);
        director = await RunningDirector.StartAsync(sandbox, ("Drift__Interval", "00:00:01"));
        subscriber = await ForeignSubscriber.StartAsync(sandbox.RabbitMq);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var part in new IAsyncDisposable?[] { subscriber, director, rows, sandbox })
        {
            if (part is not null)
                await part.DisposeAsync();
        }
    }
}
