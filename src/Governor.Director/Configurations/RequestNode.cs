using System.Text.Json;

namespace Governor.Director.Configurations;

/// <summary>A value in a request's body that knows its path and complains when it is not what is asked for. Every reader
/// returns null after it complained.</summary>
internal sealed class RequestNode(JsonElement element, string path, RequestErrors errors)
{
    private const string BadUnicode = "must be valid Unicode: it holds half of a surrogate pair.";

    /// <summary>The value.</summary>
    public JsonElement Element => element;

    /// <summary>JSON path from the root, <c>$</c> for the root itself.</summary>
    public string Path => path;

    /// <summary>Where complaints go.</summary>
    public RequestErrors Errors => errors;

    /// <summary>Says that the value is none that is meant here.</summary>
    public void Invalid(string message) => errors.Malformed("invalid-field", path, message);

    /// <summary>Reads an object with these fields and no others.</summary>
    public RequestObject? AsObject(params string[] known)
    {
        if (AsMembers() is not { } members) return null;
        foreach (var unknown in members.Where(member => !known.Contains(member.Key, StringComparer.Ordinal)))
            errors.Malformed("unknown-field", unknown.Value.Path, $"is not known; known here: {string.Join(", ", known)}.");
        return new RequestObject(this, members);
    }

    /// <summary>Reads an object with any fields, in the order in which they are written.</summary>
    public IReadOnlyDictionary<string, RequestNode>? AsMembers()
    {
        if (element.ValueKind is not JsonValueKind.Object) return Mismatch<IReadOnlyDictionary<string, RequestNode>>("an object");

        var members = new OrderedDictionary<string, RequestNode>(StringComparer.Ordinal);
        foreach (var property in element.EnumerateObject())
        {
            if (Unicode(() => property.Name) is not { } name)
                errors.Malformed("invalid-field", path, "must have field names of valid Unicode: one holds half of a surrogate pair.");
            else if (!members.TryAdd(name, new RequestNode(property.Value, Below(name), errors)))
                errors.Malformed("malformed-json", Below(name), "is given twice; keep one.");
        }

        return members;
    }

    /// <summary>Reads a list.</summary>
    public IReadOnlyList<RequestNode>? AsList() => element.ValueKind is JsonValueKind.Array
        ? [.. element.EnumerateArray().Select((item, index) => new RequestNode(item, $"{path}[{index}]", errors))]
        : Mismatch<IReadOnlyList<RequestNode>>("a list");

    /// <summary>Reads a string that is not empty.</summary>
    public string? AsText()
    {
        if (AsString() is not { } text) return null;
        if (!string.IsNullOrWhiteSpace(text)) return text;
        Invalid("must not be empty.");
        return null;
    }

    /// <summary>Reads a string.</summary>
    public string? AsString()
    {
        if (element.ValueKind is not JsonValueKind.String) return Mismatch<string>("a string");
        if (Unicode(element.GetString) is { } text) return text;
        Invalid(BadUnicode);
        return null;
    }

    /// <summary>Reads <c>true</c> or <c>false</c>.</summary>
    public bool? AsFlag()
    {
        if (element.ValueKind is JsonValueKind.True or JsonValueKind.False) return element.GetBoolean();
        Mismatch<string>("true or false");
        return null;
    }

    /// <summary>Reads a whole number within bounds, both included.</summary>
    public int? AsInteger(int least, int most)
    {
        if (element.ValueKind is JsonValueKind.Number && element.TryGetInt32(out var number) && number >= least && number <= most)
            return number;
        Mismatch<string>(most == int.MaxValue ? $"a whole number of {least} or more" : $"a whole number from {least} to {most}");
        return null;
    }

    private T? Mismatch<T>(string wanted)
        where T : class
    {
        Invalid(element.ValueKind is JsonValueKind.Null
            ? $"must be {wanted}, not null; leave it out if there is nothing to say."
            : $"must be {wanted}.");
        return null;
    }

    private string Below(string name)
    {
        // Keys may be anything and as long as the body; a path is for people.
        if (name.Length > 64) name = string.Concat(name.AsSpan(0, 64), "…");
        if (name.Length == 0 || name.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-')))
            return $"{path}[\"{name}\"]";
        return path == "$" ? name : $"{path}.{name}";
    }

    /// <summary>A string of the document, which refuses escaped halves of a surrogate pair only when it is read.</summary>
    private static string? Unicode(Func<string?> read)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}

/// <summary>An object in a request's body, by its fields.</summary>
internal sealed class RequestObject(RequestNode node, IReadOnlyDictionary<string, RequestNode> members)
{
    /// <summary>The object as a value.</summary>
    public RequestNode Node => node;

    /// <summary>The field of that name; null when it is not given.</summary>
    public RequestNode? this[string name] => members.GetValueOrDefault(name);

    /// <summary>The field of that name; complains when it is not given.</summary>
    /// <param name="name">Name of the field.</param>
    /// <param name="remedy">What to put there.</param>
    public RequestNode? Required(string name, string remedy)
    {
        if (this[name] is { } member) return member;
        node.Errors.Malformed("missing-field", node.Path == "$" ? name : $"{node.Path}.{name}", $"is missing; {remedy}.");
        return null;
    }
}
