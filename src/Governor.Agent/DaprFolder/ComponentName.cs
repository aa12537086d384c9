using System.Text.RegularExpressions;

namespace Governor.Agent.DaprFolder;

/// <summary>The rule for names of components: Dapr's, and short enough to be a file's name.</summary>
internal static partial class ComponentName
{
    private const int Longest = 250; // file names end at 255 bytes; five go to ".yaml"

    internal static bool IsValid(string name) => name.Length <= Longest && Subdomain().IsMatch(name);

    [GeneratedRegex(@"\A[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\z",
        RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Subdomain();
}
