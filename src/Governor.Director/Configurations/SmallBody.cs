using System.Text.Json;

namespace Governor.Director.Configurations;

/// <summary>Reads the body of an action: one object with few fields.</summary>
internal static class SmallBody
{
    /// <summary>Reads a body.</summary>
    /// <param name="utf8Json">The body.</param>
    /// <param name="known">Names of the fields that it may have.</param>
    /// <param name="read">Makes something of it; its result counts only if nobody complained.</param>
    /// <returns>The result, or all that is wrong.</returns>
    public static Outcome<T> Read<T>(ReadOnlyMemory<byte> utf8Json, string[] known, Func<RequestObject, T> read)
        where T : class
    {
        try
        {
            using var document = ConfigurationRequestParser.Read(utf8Json);
            var errors = new RequestErrors();
            var result = new RequestNode(document.RootElement, "$", errors).AsObject(known) is { } fields ? read(fields) : null;
            return errors.Any ? errors.ToRefusal() : result!;
        }
        catch (JsonException e)
        {
            return ConfigurationRequestParser.Malformed(e);
        }
    }
}
