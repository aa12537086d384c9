using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Governor.Director.Credentials;

namespace Governor.Director.Configurations;

/// <summary>Reads the bodies of requests about configurations and says everything that is wrong with them at once: 400 for
/// a wrong shape, 422 for content that cannot be accepted, 413 for too much of it.</summary>
internal static class ConfigurationRequestParser
{
    /// <summary>Most bytes of one configuration's content as canonical JSON.</summary>
    public const int MaxContentBytes = 256 * 1024;

    /// <summary>Bounds of a configuration's priority, both included.</summary>
    public const int MaxPriority = 1_000_000;

    /// <summary>The fields of a change.</summary>
    public static readonly IReadOnlyList<string> Fields = ["components", "target", "priority", "allowPlaintext", "allowEmpty", "policy"];

    private const int MaxDepth = 64;

    /// <summary>Reads the body of <c>PUT /api/v1/configurations/{name}</c>.</summary>
    /// <param name="utf8Json">The body.</param>
    public static Outcome<ConfigurationRequest> Parse(ReadOnlyMemory<byte> utf8Json)
    {
        try
        {
            using var document = Read(utf8Json);
            var errors = new RequestErrors();
            return new RequestNode(document.RootElement, "$", errors).AsObject([.. Fields]) is { } body
                ? Read(body)
                : errors.ToRefusal();
        }
        catch (JsonException e)
        {
            return Malformed(e);
        }
    }

    /// <summary>Reads the optional body of <c>DELETE /api/v1/configurations/{name}</c>: <c>{policy}</c>.</summary>
    /// <param name="utf8Json">The body; may be empty.</param>
    public static Outcome<RolloutPolicy> ParseDeletion(ReadOnlyMemory<byte> utf8Json)
    {
        if (utf8Json.IsEmpty) return RolloutPolicy.Default;
        try
        {
            using var document = Read(utf8Json);
            var errors = new RequestErrors();
            var body = new RequestNode(document.RootElement, "$", errors).AsObject("policy");
            var policy = RolloutPolicyReader.Read(body?["policy"]);
            return errors.Any ? errors.ToRefusal() : policy;
        }
        catch (JsonException e)
        {
            return Malformed(e);
        }
    }

    /// <summary>Reads a change out of an object that has the <see cref="Fields"/>, and maybe others that the caller has read;
    /// what it complained about is refused with the rest.</summary>
    public static Outcome<ConfigurationRequest> Read(RequestObject body)
    {
        var errors = body.Node.Errors;
        var allowPlaintext = body["allowPlaintext"]?.AsFlag() ?? false;
        var references = new List<CredentialReference>();
        var components = ComponentReader.Read(
            body.Required("components", "give a list of components, [] for none"), allowPlaintext, references);
        var target = TargetSelectorReader.Read(body.Required("target", "say which runtimes it is for, {} for every one"));
        var priority = body["priority"]?.AsInteger(-MaxPriority, MaxPriority) ?? 0;
        var allowEmpty = body["allowEmpty"]?.AsFlag() ?? false;
        var policy = RolloutPolicyReader.Read(body["policy"]);
        if (errors.Any) return errors.ToRefusal();

        var content = ConfigurationContent.Normalized(components, target, priority, allowPlaintext);
        var bytes = Encoding.UTF8.GetByteCount(content.ToJson());
        if (bytes > MaxContentBytes)
        {
            return new Refusal(StatusCodes.Status413PayloadTooLarge, "configuration-too-large",
                $"The content is {bytes} bytes as canonical JSON; at most {MaxContentBytes} are possible. Split it into several configurations.");
        }

        return new ConfigurationRequest(content, allowEmpty, policy, references);
    }

    /// <summary>Reads one JSON value.</summary>
    /// <exception cref="JsonException">It is none; see <see cref="Malformed"/>.</exception>
    public static JsonDocument Read(ReadOnlyMemory<byte> utf8Json)
    {
        // The parser takes any bytes inside a string; what is not UTF-8 would only come out when the string is read.
        if (!Utf8.IsValid(utf8Json.Span)) throw new JsonException("The body is not UTF-8.");
        if (utf8Json.Span.StartsWith(Encoding.UTF8.Preamble)) utf8Json = utf8Json[Encoding.UTF8.Preamble.Length..];
        return JsonDocument.Parse(utf8Json, new JsonDocumentOptions { MaxDepth = MaxDepth });
    }

    /// <summary>Says where the text breaks, but not by the parser's message: that quotes the text, which may be a secret.</summary>
    public static Refusal Malformed(JsonException e)
    {
        var where = e is { LineNumber: { } line, BytePositionInLine: { } position } ? $" at line {line + 1}, byte {position + 1}" : "";
        return new Refusal(StatusCodes.Status400BadRequest, "malformed-json",
            $"The body is not well-formed JSON{where}. It must be one JSON object in UTF-8, without comments, trailing commas or "
            + $"text after its end, nested at most {MaxDepth} levels deep.");
    }
}
