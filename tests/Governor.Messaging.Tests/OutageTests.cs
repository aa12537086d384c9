using System.Collections.Concurrent;
using System.Data.Common;
using System.Net.Sockets;
using Governor.Contracts;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Governor.Messaging.Tests;

/// <summary>A database or a broker that is away makes messages wait; it makes no dead letters.</summary>
public sealed class OutageTests(RabbitMqServer server) : IClassFixture<RabbitMqServer>
{
    private const string Queue = "governor-outage";
    private const int MoreOftenThanAFaultIsRetried = 9;

    public static TheoryData<Exception, bool> Exceptions => new()
    {
        { new DatabaseException(isTransient: true), true },
        { new InvalidOperationException("wrapped", new DatabaseException(isTransient: true)), true },
        { new AggregateException(new FormatException(), new DatabaseException(sqlState: "57P01")), true },
        { new DatabaseException(sqlState: "08006"), true },
        { new DatabaseException(sqlState: "3D000"), true },
        { new DatabaseException(sqlState: "25006"), true },
        { new SocketException((int)SocketError.ConnectionRefused), true },
        { new DatabaseException(sqlState: "23505"), false },
        { new DatabaseException(sqlState: "22021"), false },
        { new DatabaseException(), false },
        { new TimeoutException(), false },
        { new IOException("disk full"), false },
    };

    [Theory]
    [MemberData(nameof(Exceptions), DisableDiscoveryEnumeration = true)]
    public void Given_an_exception_When_it_is_looked_at_Then_only_a_server_that_is_away_is_an_outage(Exception exception, bool isOutage) =>
        Assert.Equal(isOutage, Outage.Is(exception));

    [Fact]
    public async Task Given_a_database_that_is_away_for_long_When_messages_come_Then_they_wait_quietly_and_are_handled_once_it_is_back()
    {
        var (attempts, handled, log) = (0, new ConcurrentBag<string>(), new Journal());
        var deadLetters = new Inbox<DeadLettered>();
        await using var host = await BusHost.StartInMemoryAsync(bus =>
        {
            bus.Services.AddSingleton<TimeProvider>(new HastyClock());
            bus.Services.AddLogging(logging => logging.AddProvider(log));
            bus.OwnTopology();
            bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, "governor-dead-letters", deadLetters.On));
            bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, Queue, endpoint => endpoint.Handler<RuntimeReported>(message =>
            {
                if (Interlocked.Increment(ref attempts) <= 2 * MoreOftenThanAFaultIsRetried)
                    throw new InvalidOperationException("no connection", new DatabaseException(isTransient: true));
                handled.Add(message.Message.RuntimeId);
                return Task.CompletedTask;
            })));
        });

        await host.Bus.Publish(Samples.Report("a"));
        await host.Bus.Publish(Samples.Report("b"));

        await Poll.UntilAsync(() => handled.Count == 2, () => $"{attempts} attempts, {handled.Count} handled");
        Assert.Empty(deadLetters.Messages);
        Assert.InRange(log.Lines.Count(line => line.Contains("wait", StringComparison.Ordinal)), 1, 4);
        Assert.DoesNotContain(log.Lines, line => line.Contains("R-FAULT", StringComparison.Ordinal) || line.Contains("R-RETRY", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Given_a_message_that_waits_for_the_database_When_the_process_stops_Then_it_is_in_its_queue_again()
    {
        var (attempts, deadLetters) = (0, new Inbox<DeadLettered>());
        await using (var host = await BusHost.StartAsync(server.Settings, bus =>
        {
            bus.OwnTopology();
            bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, "governor-dead-letters", deadLetters.On));
            bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, Queue, endpoint => endpoint.Handler<RuntimeReported>(_ =>
            {
                Interlocked.Increment(ref attempts);
                throw new DatabaseException(isTransient: true);
            })));
        }))
        {
            await host.Bus.Publish(Samples.Report("a"));
            await Poll.UntilAsync(() => attempts > 1, () => "it was not tried again");
        }

        await using var connection = await server.ConnectAsync();
        await using var channel = await connection.CreateChannelAsync();
        Assert.Equal(1u, (await channel.QueueDeclarePassiveAsync(Queue, TestContext.Current.CancellationToken)).MessageCount);
        Assert.Empty(deadLetters.Messages);
    }

    public sealed class DatabaseException(bool isTransient = false, string? sqlState = null) : DbException("The database is away.")
    {
        public override bool IsTransient => isTransient;

        public override string? SqlState => sqlState;
    }

    /// <summary>What was logged as a warning or worse.</summary>
    private sealed class Journal : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Enqueue(formatter(state, exception));

        public void Dispose()
        {
        }
    }
}
