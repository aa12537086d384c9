namespace Governor.Local;

/// <summary>Where everything of a local run lies: <c>.governor</c> below the current folder. Held by one process.</summary>
internal sealed class LocalFolder : IDisposable
{
    private readonly FileStream held;

    private LocalFolder(string root, FileStream file) => (Root, held) = (root, file);

    public string Root { get; }

    public string Database => Path.Combine(Root, "governor.db");

    /// <summary>The Dapr resources folder of a runtime.</summary>
    public string Resources(string runtimeId) => Path.Combine(Root, "runtimes", runtimeId);

    /// <summary>Where a runtime's Agent keeps its key.</summary>
    public string AgentState(string runtimeId) => Path.Combine(Root, "agents", runtimeId);

    /// <summary>Takes the folder for this process, and empties it if asked to.</summary>
    /// <exception cref="LocalStartException">Another process holds it, or it cannot be written.</exception>
    public static LocalFolder Take(bool reset)
    {
        var root = Path.Combine(Directory.GetCurrentDirectory(), ".governor");
        try
        {
            Directory.CreateDirectory(root);
            var file = new FileStream(Path.Combine(root, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            if (reset)
                Empty(root);
            return new LocalFolder(root, file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LocalStartException(
                $"The folder {root} cannot be used: {e.Message} Is another Governor.Local running in it? Stop that one, or start in another folder.");
        }
    }

    public void Dispose() => held.Dispose();

    private static void Empty(string root)
    {
        foreach (var folder in Directory.GetDirectories(root))
            Directory.Delete(folder, recursive: true);
        foreach (var file in Directory.GetFiles(root).Where(f => Path.GetFileName(f) != "lock"))
            File.Delete(file);
    }
}

/// <summary>It cannot start; the message says why and what to do.</summary>
internal sealed class LocalStartException(string message) : Exception(message);
