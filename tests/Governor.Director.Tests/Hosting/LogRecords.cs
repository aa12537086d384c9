using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Governor.Director.Tests.Hosting;

/// <summary>One line of the log.</summary>
internal sealed record LogRecord(LogLevel Level, string Category, string Text, Exception? Exception);

/// <summary>Keeps what a host logs, with the exceptions that a console would write as stack traces.</summary>
internal sealed class LogRecords : ILoggerProvider
{
    private readonly ConcurrentQueue<LogRecord> records = new();

    /// <summary>What was logged since it was asked last.</summary>
    public IReadOnlyList<LogRecord> Take()
    {
        var taken = new List<LogRecord>();
        while (records.TryDequeue(out var record))
            taken.Add(record);
        return taken;
    }

    public ILogger CreateLogger(string categoryName) => new Logger(categoryName, records);

    public void Dispose()
    {
        // Nothing is held.
    }

    private sealed class Logger(string category, ConcurrentQueue<LogRecord> records) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            records.Enqueue(new LogRecord(logLevel, category, formatter(state, exception), exception));
    }
}
