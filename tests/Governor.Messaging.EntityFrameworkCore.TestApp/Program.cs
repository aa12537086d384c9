using System.Data;
using System.Globalization;
using Governor.Messaging.EntityFrameworkCore.TestApp;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

// TestApp CONNECTION-STRING BROKER-URI TRANSACTIONS STEP OCCURRENCE MINUTES-AHEAD
// Writes so many transactions, delivers, and consumes, until it is ended, or ends itself at a step (see Death).
var (connectionString, broker) = (args[0], new Uri(args[1]));
var transactions = int.Parse(args[2], CultureInfo.InvariantCulture);
var death = new Death(args[3], int.Parse(args[4], CultureInfo.InvariantCulture));

var builder = Host.CreateEmptyApplicationBuilder(settings: null);
builder.Logging.AddConsole().SetMinimumLevel(LogLevel.Warning).AddFilter("Microsoft.EntityFrameworkCore", LogLevel.None);
builder.Services.AddSingleton<TimeProvider>(new AheadTimeProvider(TimeSpan.FromMinutes(int.Parse(args[5], CultureInfo.InvariantCulture))));
builder.Services.AddDbContext<TestAppDbContext>(options => options.UseNpgsql(connectionString).AddInterceptors(death));
builder.Services.AddSendObserver(_ => death);
builder.Services.AddMassTransit(bus =>
{
    bus.AddConsumer<WorkConsumer>();
    bus.AddEntityFrameworkOutbox<TestAppDbContext>(outbox =>
    {
        outbox.UsePostgres();
        outbox.IsolationLevel = IsolationLevel.ReadCommitted;
        outbox.QueryDelay = TimeSpan.FromMilliseconds(200);
        outbox.UseBusOutbox();
    });
    bus.UsingRabbitMq((context, factory) =>
    {
        var user = broker.UserInfo.Split(':');
        factory.Host(broker.Host, (ushort)broker.Port, broker.AbsolutePath.Trim('/'), host =>
        {
            host.Username(Uri.UnescapeDataString(user[0]));
            host.Password(Uri.UnescapeDataString(user[1]));
        });
        factory.ReceiveEndpoint(WorkConsumer.Queue, endpoint =>
        {
            endpoint.ConcurrentMessageLimit = 1; // The order of the effects is that of the messages.
            endpoint.UseMessageRetry(retry => retry.Immediate(5));
            endpoint.UseEntityFrameworkOutbox<TestAppDbContext>(context);
            endpoint.ConfigureConsumer<WorkConsumer>(context);
        });
    });
});

using var app = builder.Build();
await app.StartAsync();
for (var i = 0; i < transactions; i++)
{
    await using var scope = app.Services.CreateAsyncScope();
    var db = scope.ServiceProvider.GetRequiredService<TestAppDbContext>();
    var endpoint = await scope.ServiceProvider.GetRequiredService<ISendEndpointProvider>().GetSendEndpoint(new Uri($"queue:{WorkConsumer.Queue}"));
    var order = new Order { Id = NewId.NextGuid() };
    db.Add(order);
    for (var number = 0; number < WorkConsumer.PerOrder; number++)
        await endpoint.Send(new Work(order.Id, number));
    await db.SaveChangesAsync();
}

Console.WriteLine("written");
await app.WaitForShutdownAsync();
