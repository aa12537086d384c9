using System.Text.Json;
using System.Text.Json.Nodes;
using Governor.Contracts;
using Governor.Director.Tests.Hosting;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;

namespace Governor.Director.Tests.Commands;

/// <summary>What another service says to the Director on the bus, and what it hears.</summary>
internal static class Commanding
{
    /// <summary>Sends a command as an envelope, and waits for its answer, whichever it is.</summary>
    public static async Task<CommandAnswer> CommandAsync<T>(this DirectorHost host, T command)
        where T : class
    {
        var client = host.Services.GetRequiredService<IBus>().CreateRequestClient<T>();
        return await AskAsync(client, command);
    }

    /// <summary>Sends any JSON to a command's queue, in an envelope, and waits for its answer.</summary>
    public static async Task<CommandAnswer> CommandAsync(this DirectorHost host, string queue, JsonObject command)
    {
        var client = host.Services.GetRequiredService<IBus>()
            .CreateRequestClient<JsonObject>(new Uri($"exchange:{queue}"));
        return await AskAsync(client, command);
    }

    /// <summary>A record as JSON, to be made wrong.</summary>
    public static JsonObject ToJson<T>(this T command) =>
        JsonSerializer.SerializeToNode(command, JsonSerializerOptions.Web)!.AsObject();

    private static async Task<CommandAnswer> AskAsync<T>(IRequestClient<T> client, T command)
        where T : class
    {
        var response = await client.GetResponse<CommandAccepted, CommandRejected>(command, TestContext.Current.CancellationToken);
        response.Is(out Response<CommandAccepted>? accepted);
        response.Is(out Response<CommandRejected>? rejected);
        return new CommandAnswer(accepted?.Message, rejected?.Message);
    }
}

/// <summary>An answer to a command: one of the two.</summary>
internal sealed record CommandAnswer(CommandAccepted? Accepted, CommandRejected? Rejected)
{
    /// <summary>Fails with the reason unless it was accepted.</summary>
    public CommandAccepted IsAccepted()
    {
        Assert.True(Accepted is not null, $"Rejected: {Rejected?.Code}: {Rejected?.Detail}");
        return Accepted;
    }

    /// <summary>Fails unless it was rejected with this code, and with complaints about these fields.</summary>
    public CommandRejected IsRejected(string code, params string[] fields)
    {
        Assert.True(Rejected is not null, $"Accepted: {Accepted}");
        Assert.Equal(code, Rejected.Code);
        Assert.NotEmpty(Rejected.Detail);
        Assert.Equal(fields, Rejected.Errors?.Select(e => e.Field) ?? []);
        return Rejected;
    }
}
