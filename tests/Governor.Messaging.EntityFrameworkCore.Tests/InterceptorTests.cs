using System.Collections.Concurrent;
using System.Data.Common;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class EmbeddedInterceptorTests(EmbeddedBackend backend) : InterceptorTests(backend), IClassFixture<EmbeddedBackend>;

public sealed class ServersInterceptorTests(ServersBackend backend) : InterceptorTests(backend), IClassFixture<ServersBackend>;

/// <summary>Interceptors that publish what the saved entities have to say, as many applications do with their domain events.</summary>
public abstract class InterceptorTests(Backend backend)
{
    [Theory]
    [InlineData(true, true, false, false, false)]
    [InlineData(true, true, true, false, false)]
    [InlineData(true, true, false, true, false)]
    [InlineData(true, true, false, false, true)]
    [InlineData(true, false, false, false, false)]
    [InlineData(true, false, true, false, false)]
    [InlineData(true, false, false, true, false)]
    [InlineData(true, false, false, false, true)]
    [InlineData(false, true, false, false, false)]
    [InlineData(false, true, true, false, false)]
    [InlineData(false, true, false, true, false)]
    [InlineData(false, true, false, false, true)]
    [InlineData(false, false, false, false, false)]
    [InlineData(false, false, true, false, false)]
    [InlineData(false, false, false, true, false)]
    [InlineData(false, false, false, false, true)]
    public async Task Given_an_interceptor_that_publishes_while_changes_are_saved_Then_its_message_commits_with_them(
        bool first, bool retries, bool synchronously, bool publishesMore, bool inTransaction)
    {
        await using var host = await StartAsync(first, retries);
        await host.InScopeAsync(async scope =>
        {
            var db = scope.GetRequiredService<AnnouncingDbContext>();
            Announcer.Bus.Value = scope.GetRequiredService<IPublishEndpoint>();
            if (publishesMore)
                await Announcer.Bus.Value.Publish(new NoteWritten("more"));
            db.Add(new Entry { Id = Guid.NewGuid() });
            // Inside an execution strategy's delegate nothing else repeats: only who opens transactions goes there.
            if (inTransaction)
                await db.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
                {
                    await using var transaction = await db.Database.BeginTransactionAsync();
                    await SaveAsync(db, synchronously);
                    await transaction.CommitAsync();
                });
            else
                await SaveAsync(db, synchronously);
            Announcer.Bus.Value = null;
            Assert.Single(host.Service<InsertWatcher>().Transactions.Distinct());
            Assert.DoesNotContain(null, host.Service<InsertWatcher>().Transactions);
            Assert.Equal(["Entry"], db.ChangeTracker.Entries().Select(entry => entry.Entity.GetType().Name));
        });
        var expected = publishesMore ? (string[])["announced", "more"] : ["announced"];
        Assert.Equal(expected, (await host.Recorder.UntilAsync<NoteWritten>(expected.Length)).Select(note => note.Text).Order());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Given_an_interceptor_that_publishes_When_SaveChanges_fails_and_is_repeated_Then_nothing_is_lost(bool retries)
    {
        await using var host = await StartAsync(first: false, retries);
        await host.InScopeAsync(async scope =>
        {
            var db = scope.GetRequiredService<AnnouncingDbContext>();
            Announcer.Bus.Value = scope.GetRequiredService<IPublishEndpoint>();
            await Announcer.Bus.Value.Publish(new NoteWritten("more"));
            var id = Guid.NewGuid();
            await using (var other = new AnnouncingDbContext(Options()))
            {
                other.Add(new Entry { Id = id });
                await other.SaveChangesAsync();
            }

            var duplicate = db.Add(new Entry { Id = id });
            await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());
            Announcer.Bus.Value = null;
            duplicate.State = EntityState.Detached;
            await db.SaveChangesAsync();
        });
        Assert.Equal(["announced", "more"], (await host.Recorder.UntilAsync<NoteWritten>(2)).Select(note => note.Text).Order());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Given_a_commit_that_fails_When_SaveChanges_is_repeated_Then_rows_and_messages_are_there_once(bool first)
    {
        await using var host = await StartAsync(first, retries: false);
        var id = Guid.NewGuid();
        await host.InScopeAsync(async scope =>
        {
            var db = scope.GetRequiredService<AnnouncingDbContext>();
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new NoteWritten("once"));
            db.Add(new Entry { Id = id });
            host.Service<BreakingCommit>().Breaks = db;
            await Assert.ThrowsAsync<InvalidOperationException>(() => db.SaveChangesAsync());
            Assert.Equal(1, await db.SaveChangesAsync());
        });
        await host.InScopeAsync(async scope =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new NoteWritten("last"));
            await scope.GetRequiredService<AnnouncingDbContext>().SaveChangesAsync();
            Assert.Equal(1, await scope.GetRequiredService<AnnouncingDbContext>().Set<Entry>().CountAsync(entry => entry.Id == id));
        });
        Assert.Equal(["last", "once"], (await host.Recorder.UntilAsync<NoteWritten>(2)).Select(note => note.Text).Order());
    }

    [Theory]
    [InlineData(true, true, true)]
    [InlineData(true, true, false)]
    [InlineData(true, false, true)]
    [InlineData(true, false, false)]
    [InlineData(false, true, true)]
    [InlineData(false, true, false)]
    [InlineData(false, false, true)]
    [InlineData(false, false, false)]
    public async Task Given_an_interceptor_that_saves_while_changes_are_saved_Then_each_message_commits_with_what_is_saved_after_it(
        bool first, bool synchronously, bool inTransaction)
    {
        await using var host = await StartAsync(first, retries: false);
        await host.InScopeAsync(async scope =>
        {
            var db = scope.GetRequiredService<AnnouncingDbContext>();
            var bus = Announcer.Bus.Value = scope.GetRequiredService<IPublishEndpoint>();
            Announcer.Saves.Value = async () =>
            {
                Announcer.Saves.Value = null; // For what is saved from here; the scope below sees to itself.
                await using (var transaction = inTransaction ? await db.Database.BeginTransactionAsync() : null)
                {
                    db.Add(new Entry { Id = Guid.NewGuid() });
                    await SaveAsync(db, synchronously);
                    if (transaction is not null)
                        await transaction.CommitAsync();
                }

                await bus.Publish(new NoteWritten("after"));
                db.Add(new Entry { Id = Guid.NewGuid() });
            };
            await SaveAsync(db, synchronously);
            (Announcer.Bus.Value, Announcer.Saves.Value) = (null, null);
            Assert.Equal(AutoTransactionBehavior.WhenNeeded, db.Database.AutoTransactionBehavior);
            // The inner row with what was announced by then, and the outer row with what came after.
            var inserts = host.Service<InsertWatcher>().Transactions;
            Assert.All(inserts, Assert.NotNull);
            Assert.Equal(2, inserts.Distinct().Count());

            // The outbox is as it was: what is written next is signalled, and a SaveChanges in a transaction waits for its commit.
            await using var next = await db.Database.BeginTransactionAsync();
            await bus.Publish(new NoteWritten("next"));
            await SaveAsync(db, synchronously);
            await next.CommitAsync();
        });
        Assert.Equal(["after", "announced", "announced", "next"],
            (await host.Recorder.UntilAsync<NoteWritten>(4)).Select(note => note.Text).Order());
    }

    private static async Task SaveAsync(DbContext db, bool synchronously)
    {
        if (synchronously)
            db.SaveChanges();
        else
            await db.SaveChangesAsync();
    }

    private DbContextOptions<AnnouncingDbContext> Options()
    {
        var options = new DbContextOptionsBuilder<AnnouncingDbContext>();
        backend.UseDatabase(options);
        return options.Options;
    }

    /// <param name="first">Whether the application's interceptor runs before the outbox's: the DbContext's own run last.</param>
    /// <param name="retries">Whether an execution strategy repeats what failed for a moment.</param>
    private async Task<AppHost> StartAsync(bool first, bool retries)
    {
        await AppHost.CreateTablesAsync(new AnnouncingDbContext(Options()));
        return await AppHost.StartAsync((services, recorder) =>
        {
            var watcher = new InsertWatcher();
            var breaking = new BreakingCommit();
            IInterceptor[] own = [new Announcer(), breaking];
            services.AddSingleton(watcher).AddSingleton(breaking);
            services.AddDbContext<AnnouncingDbContext>(options =>
            {
                options.AddInterceptors(watcher);
                if (retries)
                    backend.UseRetryingDatabase(options);
                else
                    backend.UseDatabase(options);
                if (first)
                    options.AddInterceptors(own);
            });
            services.AddSingleton(new AnnouncingSettings(Last: first ? [] : own));
            services.AddMassTransit(bus =>
            {
                bus.AddTestOutbox<AnnouncingDbContext>(backend);
                backend.UseTransport(bus, (_, factory) => factory.Record<NoteWritten>(recorder, "notes"));
            });
        });
    }

    private sealed record AnnouncingSettings(IInterceptor[] Last);

    private sealed class AnnouncingDbContext(DbContextOptions<AnnouncingDbContext> options, AnnouncingSettings? settings = null) : AppDbContext(options)
    {
        protected override void OnConfiguring(DbContextOptionsBuilder optionsBuilder)
        {
            if (settings is not null)
                optionsBuilder.AddInterceptors(settings.Last);
        }
    }

    /// <summary>Keeps the transaction of every statement that inserts.</summary>
    private sealed class InsertWatcher : DbCommandInterceptor
    {
        public ConcurrentQueue<DbTransaction?> Transactions { get; } = new();

        public override DbCommand CommandInitialized(CommandEndEventData eventData, DbCommand result)
        {
            if (result.CommandText.Contains("INSERT", StringComparison.OrdinalIgnoreCase))
                Transactions.Enqueue(result.Transaction);
            return result;
        }
    }

    /// <summary>Fails one commit, as a server that goes away does.</summary>
    private sealed class BreakingCommit : DbTransactionInterceptor
    {
        /// <summary>The next commit of this one fails: those of delivery and inbox do not.</summary>
        public DbContext? Breaks { get; set; }

        public override ValueTask<InterceptionResult> TransactionCommittingAsync(
            DbTransaction transaction, TransactionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default)
        {
            if (Breaks is null || !ReferenceEquals(eventData.Context, Breaks))
                return ValueTask.FromResult(result);
            Breaks = null;
            throw new InvalidOperationException("This commit was meant to fail.");
        }
    }

    private sealed class Announcer : SaveChangesInterceptor
    {
        /// <summary>Set by the scope that is to announce what it saves.</summary>
        public static AsyncLocal<IPublishEndpoint?> Bus { get; } = new();

        /// <summary>What the application does then, once.</summary>
        public static AsyncLocal<Func<Task>?> Saves { get; } = new();

        public override async ValueTask<InterceptionResult<int>> SavingChangesAsync(
            DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
        {
            if (Bus.Value is { } bus)
                await bus.Publish(new NoteWritten("announced"), cancellationToken);
            if (Saves.Value is { } saves)
                await saves();
            return result;
        }

        public override InterceptionResult<int> SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
        {
            // The outbox of a scope captures without waiting for anybody.
            Bus.Value?.Publish(new NoteWritten("announced")).GetAwaiter().GetResult();
            Saves.Value?.Invoke().GetAwaiter().GetResult();
            return result;
        }
    }
}
