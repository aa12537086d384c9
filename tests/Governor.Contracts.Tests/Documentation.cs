using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Governor.Contracts.Tests;

/// <summary>The XML documentation of the contracts package, as plain text.</summary>
internal static partial class Documentation
{
    private static readonly Dictionary<string, XElement> Members =
        XDocument.Load(Path.ChangeExtension(typeof(ConfigurationUpdated).Assembly.Location, ".xml"))
            .Descendants("member").ToDictionary(member => member.Attribute("name")!.Value, StringComparer.Ordinal);

    public static string? SummaryOf(Type type) => TextOf(MemberOf($"T:{type.FullName}")?.Element("summary"));

    public static string? SummaryOf(Type enumeration, string value) =>
        TextOf(MemberOf($"F:{enumeration.FullName}.{value}")?.Element("summary"));

    public static string? ParameterOf(Type record, string name) => TextOf(MemberOf($"T:{record.FullName}")?
        .Elements("param").SingleOrDefault(param => param.Attribute("name")?.Value == name));

    private static XElement? MemberOf(string name) => Members.GetValueOrDefault(name);

    private static string? TextOf(XElement? element)
    {
        if (element is null)
            return null;

        var words = string.Concat(element.Nodes().Select(node => node switch
        {
            XText text => text.Value,
            XElement { Name.LocalName: "paramref" } parameter => Contracts.CamelCase(parameter.Attribute("name")!.Value),
            XElement { Name.LocalName: "see" } see => NameIn(see.Attribute("cref")!.Value),
            XElement code => code.Value,
            _ => "",
        }));
        return Whitespace().Replace(words, " ").Trim() is { Length: > 0 } plain ? plain : null;
    }

    // A property is named as on the wire, a type as in the schema's title.
    private static string NameIn(string reference)
    {
        var name = reference[(reference.LastIndexOf('.') + 1)..];
        return reference.StartsWith("P:", StringComparison.Ordinal) ? Contracts.CamelCase(name) : name;
    }

    [GeneratedRegex(@"\s+", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Whitespace();
}
