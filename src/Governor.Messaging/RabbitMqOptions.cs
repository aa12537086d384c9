using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Governor.Messaging;

/// <summary>How to reach the broker.</summary>
internal sealed class RabbitMqOptions
{
    private const string Example = "for example amqp://user:password@localhost:5672/vhost";

    /// <summary>Address from <c>ConnectionStrings:RabbitMq</c>; never shown, because it holds the password.</summary>
    public string? ConnectionString { get; set; }

    /// <summary>Kind of queues as given by <c>RabbitMq:QueueType</c>: <c>classic</c> (default) or <c>quorum</c>.</summary>
    public string? QueueTypeName { get; set; }

    /// <summary>Kind of queues; once validated.</summary>
    public QueueType QueueType => QueueTypeOf(QueueTypeName) ?? default;

    /// <summary>The broker's address; once validated.</summary>
    public RabbitMqAddress Address => RabbitMqAddress.Parse(ConnectionString!, out _)!;

    public static void Add(IServiceCollection services, IConfiguration configuration, bool required)
    {
        var options = services.AddOptions<RabbitMqOptions>().Configure(it =>
        {
            it.ConnectionString = configuration.GetConnectionString("RabbitMq");
            it.QueueTypeName = configuration["RabbitMq:QueueType"];
        });
        services.AddSingleton<IValidateOptions<RabbitMqOptions>, Validator>();
        if (required)
            options.ValidateOnStart();
    }

    private static QueueType? QueueTypeOf(string? name) => name switch
    {
        null or "" => QueueType.Classic,
        _ when name.Equals("classic", StringComparison.OrdinalIgnoreCase) => QueueType.Classic,
        _ when name.Equals("quorum", StringComparison.OrdinalIgnoreCase) => QueueType.Quorum,
        _ => null,
    };

    private sealed class Validator : IValidateOptions<RabbitMqOptions>
    {
        public ValidateOptionsResult Validate(string? name, RabbitMqOptions options)
        {
            if (string.IsNullOrWhiteSpace(options.ConnectionString))
                return ValidateOptionsResult.Fail($"ConnectionStrings__RabbitMq is missing; set it to the broker's address, {Example}.");

            if (RabbitMqAddress.Parse(options.ConnectionString, out var mistake) is null)
                return ValidateOptionsResult.Fail($"ConnectionStrings__RabbitMq is malformed: {mistake}; write it as amqp[s]://user:password@host:port/vhost, {Example}.");

            if (QueueTypeOf(options.QueueTypeName) is null)
                return ValidateOptionsResult.Fail($"RabbitMq__QueueType is '{options.QueueTypeName}'; set it to classic (the default) or quorum.");

            return ValidateOptionsResult.Success;
        }
    }
}

internal static class RabbitMqOptionsAccess
{
    public static RabbitMqOptions RabbitMqOptions(this IServiceProvider services) =>
        services.GetRequiredService<IOptions<RabbitMqOptions>>().Value;
}
