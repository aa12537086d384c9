using MassTransit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class Order : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "Initial";

    public int Items { get; set; }

    public string? Customer { get; set; }

    public int Version { get; set; }
}

public sealed record OrderPlaced(Guid OrderId);

public sealed record ItemAdded(Guid OrderId, int Number);

public sealed record OrderClosed(Guid OrderId);

public sealed record CustomerLeft(string Customer);

public sealed record ItemCounted(Guid OrderId, int Items);

public sealed record OrderUnknown(Guid OrderId);

public sealed class OrderStateMachine : MassTransitStateMachine<Order>
{
    public OrderStateMachine()
    {
        InstanceState(order => order.CurrentState);
        Event(() => Placed, e => e.CorrelateById(context => context.Message.OrderId));
        Event(() => Closed, e => e.CorrelateById(context => context.Message.OrderId));
        Event(() => Added, e =>
        {
            e.CorrelateById(context => context.Message.OrderId);
            e.OnMissingInstance(missing => missing.ExecuteAsync(context => context.Publish(new OrderUnknown(context.Message.OrderId))));
        });
        Event(() => Left, e => e.CorrelateBy((order, context) => order.Customer == context.Message.Customer));

        Initially(When(Placed).TransitionTo(Open));
        During(Open,
            When(Added)
                .Then(context => { context.Saga.Items++; context.Saga.Version++; })
                .Publish(context => new ItemCounted(context.Saga.CorrelationId, context.Saga.Items)),
            When(Left).Then(context => { context.Saga.Items = 0; context.Saga.Version++; }),
            When(Closed).Finalize());
        During(Open, Ignore(Placed));
        SetCompletedWhenFinalized();
    }

    public State Open { get; private set; } = null!;

    public Event<OrderPlaced> Placed { get; private set; } = null!;

    public Event<ItemAdded> Added { get; private set; } = null!;

    public Event<OrderClosed> Closed { get; private set; } = null!;

    public Event<CustomerLeft> Left { get; private set; } = null!;
}
