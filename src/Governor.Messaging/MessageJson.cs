using System.Text.Json.Serialization;
using MassTransit;

namespace Governor.Messaging;

/// <summary>How messages are written: MassTransit's JSON (camelCase, lenient reading), compact and without nulls.</summary>
internal static class MessageJson
{
    public static void Apply(IBusFactoryConfigurator bus) => bus.ConfigureJsonSerializerOptions(options => new(options)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        WriteIndented = false,
    });
}
