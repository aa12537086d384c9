using System.Text.Json;
using System.Text.Json.Serialization;
using MassTransit;

namespace Governor.Messaging;

/// <summary>How messages are written: MassTransit's JSON (camelCase, lenient reading), compact and without nulls.</summary>
internal static class MessageJson
{
    /// <summary>The same for messages without an envelope.</summary>
    public static readonly JsonSerializerOptions Plain = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public static void Apply(IBusFactoryConfigurator bus) => bus.ConfigureJsonSerializerOptions(options => new(options)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        WriteIndented = false,
    });
}
