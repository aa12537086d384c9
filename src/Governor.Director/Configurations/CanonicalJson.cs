using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Governor.Director.Configurations;

/// <summary>The JSON Canonicalization Scheme of RFC 8785: one text for every way to write the same JSON.</summary>
internal static class CanonicalJson
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Writes a JSON value in canonical form.</summary>
    /// <param name="element">The value; its numbers are read as IEEE 754 doubles, as the RFC says.</param>
    /// <returns>UTF-8, without a byte order mark.</returns>
    /// <exception cref="FormatException">A key occurs twice, a number is beyond a double, or a string holds half of a
    /// surrogate pair: there is no canonical form for these. The message never holds a value.</exception>
    public static byte[] Serialize(JsonElement element) => StrictUtf8.GetBytes(SerializeToString(element));

    /// <inheritdoc cref="Serialize" />
    /// <returns>The same text as a string.</returns>
    public static string SerializeToString(JsonElement element)
    {
        var text = new StringBuilder();
        Write(text, element);
        return text.ToString();
    }

    private static void Write(StringBuilder text, JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object: WriteObject(text, element); break;
            case JsonValueKind.Array: WriteArray(text, element); break;
            case JsonValueKind.String: WriteString(text, Read(element.GetString)); break;
            case JsonValueKind.Number: WriteNumber(text, element); break;
            case JsonValueKind.True: text.Append("true"); break;
            case JsonValueKind.False: text.Append("false"); break;
            case JsonValueKind.Null: text.Append("null"); break;
            default: throw new FormatException("An undefined JSON element has no canonical form.");
        }
    }

    private static void WriteObject(StringBuilder text, JsonElement element)
    {
        var members = new List<(string Name, JsonElement Value)>();
        foreach (var property in element.EnumerateObject())
            members.Add((Read(() => property.Name), property.Value));

        // Ordinal order of .NET strings is the order by UTF-16 code units that the RFC asks for.
        members.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));

        text.Append('{');
        for (var i = 0; i < members.Count; i++)
        {
            if (i > 0)
            {
                if (members[i].Name == members[i - 1].Name)
                    throw new FormatException($"The key \"{members[i].Name}\" occurs twice in one object.");
                text.Append(',');
            }

            WriteString(text, members[i].Name);
            text.Append(':');
            Write(text, members[i].Value);
        }

        text.Append('}');
    }

    private static void WriteArray(StringBuilder text, JsonElement element)
    {
        text.Append('[');
        var first = true;
        foreach (var item in element.EnumerateArray())
        {
            if (!first) text.Append(',');
            first = false;
            Write(text, item);
        }

        text.Append(']');
    }

    private static void WriteString(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (var c in value)
        {
            _ = c switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\b' => text.Append("\\b"),
                '\t' => text.Append("\\t"),
                '\n' => text.Append("\\n"),
                '\f' => text.Append("\\f"),
                '\r' => text.Append("\\r"),
                < ' ' => text.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture)),
                _ => text.Append(c),
            };
        }

        text.Append('"');
    }

    /// <summary>Number to string as ECMAScript does it: the shortest digits that read back as the same double, laid out
    /// plainly for exponents from -7 to 20 and scientifically beyond.</summary>
    private static void WriteNumber(StringBuilder text, JsonElement element)
    {
        if (!element.TryGetDouble(out var number) || !double.IsFinite(number))
            throw new FormatException("A number is too large for a double.");

        if (number == 0)
        {
            text.Append('0'); // minus zero too
            return;
        }

        if (number < 0) text.Append('-');

        // .NET gives the same shortest digits; only the layout differs: d[.ddd]E±x, or plain digits.
        var (digits, point) = Digits(Math.Abs(number).ToString("R", CultureInfo.InvariantCulture));
        if (point is > 21 or <= -6)
        {
            text.Append(digits[0]);
            if (digits.Length > 1) text.Append('.').Append(digits, 1, digits.Length - 1);
            text.Append('e').Append(point > 0 ? "+" : "").Append(point - 1);
        }
        else if (point <= 0)
        {
            text.Append("0.").Append('0', -point).Append(digits);
        }
        else if (point >= digits.Length)
        {
            text.Append(digits).Append('0', point - digits.Length);
        }
        else
        {
            text.Append(digits, 0, point).Append('.').Append(digits, point, digits.Length - point);
        }
    }

    /// <summary>Splits a round-trip text into significant digits and the place of the decimal point before or after
    /// them: 0.0012 is ("12", -2), 1200 is ("12", 4).</summary>
    private static (string Digits, int Point) Digits(string roundTrip)
    {
        var e = roundTrip.IndexOf('E', StringComparison.Ordinal);
        var exponent = e < 0 ? 0 : int.Parse(roundTrip.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var mantissa = e < 0 ? roundTrip : roundTrip[..e];

        var dot = mantissa.IndexOf('.', StringComparison.Ordinal);
        var integerDigits = dot < 0 ? mantissa.Length : dot;
        var digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        var leadingZeros = digits.Length - digits.TrimStart('0').Length;
        return (digits.Trim('0'), integerDigits + exponent - leadingZeros);
    }

    /// <summary>Reads a string out of a document, which refuses escaped halves of a surrogate pair only now.</summary>
    private static string Read(Func<string?> read)
    {
        try
        {
            return read()!;
        }
        catch (InvalidOperationException e)
        {
            throw new FormatException("A string holds half of a surrogate pair.", e);
        }
    }
}
