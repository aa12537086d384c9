using System.Text.Json;
using System.Text.Json.Nodes;
using Governor.Contracts;
using Governor.Director.Configurations;
using Governor.Messaging;
using MassTransit;

namespace Governor.Director.Commands;

/// <summary>Takes the commands of one queue, as envelope or as plain JSON, carries each out once, and answers in kind.</summary>
/// <remarks>Reads the message's text itself, by the parsers of the HTTP interface, so that whatever is wrong is said field by
/// field. A command that is refused is answered, and is no dead letter.</remarks>
internal sealed partial class CommandConsumer<T>(IServiceScopeFactory scopes, PlainAnswers plain, ILogger<CommandConsumer<T>> logger)
    : IConsumer<JsonObject>
    where T : class, ICommand
{
    /// <summary>Longest wait for the broker to take an answer: a command must not hang on who asked for it.</summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(10);

    public async Task Consume(ConsumeContext<JsonObject> context)
    {
        string? commandId = null;
        Outcome<CommandAccepted> outcome;
        try
        {
            using var document = ConfigurationRequestParser.Read(context.ReceiveContext.Body.GetBytes());
            var body = CommandBody.Read(CommandMessage.In(document.RootElement, context.ReceiveContext.ContentType), T.Fields);
            commandId = body.Value?.CommandId;
            outcome = body.Succeeded ? await DoAsync(body.Value, context.CancellationToken) : body.Refusal;
        }
        catch (JsonException e)
        {
            outcome = ConfigurationRequestParser.Malformed(e);
        }

        if (!outcome.Succeeded)
            LogRejected(T.Queue, commandId, outcome.Refusal.Code);
        await AnswerAsync(context, commandId, outcome);
    }

    private async Task<Outcome<CommandAccepted>> DoAsync(CommandBody body, CancellationToken cancellationToken)
    {
        // A scope of its own: in the consumer's, what is published would go to the broker at once, before the commit.
        await using var scope = scopes.CreateAsyncScope();
        var work = scope.ServiceProvider.GetRequiredService<T>().Read(body);
        if (!work.Succeeded)
            return work.Refusal;

        CommandIdentity command;
        try
        {
            command = CommandIdentity.OfCommand(body.Tenant, body.CommandId!, T.Queue, body.Fields.Node.Element);
        }
        catch (FormatException e)
        {
            return new Refusal(StatusCodes.Status400BadRequest, "malformed-json", e.Message);
        }

        return await scope.ServiceProvider.GetRequiredService<CommandLog>()
            .OnceAsync(command, token => work.Value(token), cancellationToken);
    }

    /// <summary>Answers after the commit. A repeated command is answered again, so an answer that got lost can be had.</summary>
    private async Task AnswerAsync(ConsumeContext context, string? commandId, Outcome<CommandAccepted> outcome)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        timeout.CancelAfter(AnswerTimeout);
        try
        {
            if (outcome.Succeeded)
                await AnswerAsync(context, outcome.Value, timeout.Token);
            else
                await AnswerAsync(context, CommandMessage.Rejected(commandId, outcome.Refusal), timeout.Token);
        }
        catch (Exception e) when (!context.CancellationToken.IsCancellationRequested)
        {
            LogNotAnswered(T.Queue, commandId, e.GetType().Name, e.Message);
        }
    }

    private async Task AnswerAsync<TAnswer>(ConsumeContext context, TAnswer answer, CancellationToken cancellationToken)
        where TAnswer : class
    {
        if (context.ResponseAddress is null)
        {
            await plain.SendAsync(context, answer, cancellationToken);
            return;
        }

        // As RespondAsync does, which takes no token.
        var requester = await context.GetSendEndpoint(context.ResponseAddress);
        await requester.Send(
            answer, Pipe.Execute<SendContext<TAnswer>>(send => send.RequestId = context.RequestId), cancellationToken);
    }

    [LoggerMessage(2801, LogLevel.Information, "Command {CommandId} from {Queue} was rejected: {Code}")]
    private partial void LogRejected(string queue, string? commandId, string code);

    [LoggerMessage(2803, LogLevel.Warning,
        "The answer to command {CommandId} from {Queue} could not be sent ({Exception}: {Message}); whoever repeats the command gets it")]
    private partial void LogNotAnswered(string queue, string? commandId, string exception, string message);
}
