namespace Governor.IntegrationTests;

/// <summary>Where the files of this repository lie, seen from the running tests.</summary>
internal static class Repository
{
    /// <summary>The root folder, the one with the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The full path of a file or folder that is given relative to the root.</summary>
    public static string PathOf(params ReadOnlySpan<string> parts) => Path.Combine([Root, .. parts]);

    /// <summary>The assembly of a program under <c>src</c>, from the build (Debug or Release) that these tests come from.</summary>
    public static string ProgramPath(string project)
    {
        var output = Path.GetRelativePath(PathOf("tests", "Governor.IntegrationTests"), AppContext.BaseDirectory);
        var path = PathOf("src", project, output, $"{project}.dll");
        return File.Exists(path)
            ? path
            : throw new InvalidOperationException($"{path} is missing; build the solution: dotnet build");
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Governor.Messaging.sln")))
                return folder.FullName;
        }

        throw new InvalidOperationException($"No Governor.Messaging.sln above {AppContext.BaseDirectory}: run the tests from a clone.");
    }
}
