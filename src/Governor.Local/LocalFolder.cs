using Governor.Director.Operations;

namespace Governor.Local;

/// <summary>Where everything of a local run lies: <c>.governor</c> below the current folder. Held by one process.</summary>
internal sealed class LocalFolder : IDisposable
{
    private readonly FileStream held;

    private LocalFolder(string root, FileStream file) => (Root, held) = (root, file);

    public string Root { get; }

    public string Database => Path.Combine(Root, "governor.db");

    /// <summary>Where the Dapr resources folders of all runtimes lie.</summary>
    public string Runtimes => Path.Combine(Root, "runtimes");

    /// <summary>The Dapr resources folder of a runtime.</summary>
    public string Resources(string runtimeId) => Path.Combine(Runtimes, runtimeId);

    /// <summary>Where a runtime's Agent keeps its key.</summary>
    public string AgentState(string runtimeId) => Path.Combine(Root, "agents", runtimeId);

    /// <summary>Takes the folder for this process.</summary>
    /// <exception cref="StartException">Another process holds it, or it cannot be written.</exception>
    public static LocalFolder Take()
    {
        var root = Path.Combine(Directory.GetCurrentDirectory(), ".governor");
        try
        {
            Directory.CreateDirectory(root);
            var file = new FileStream(Path.Combine(root, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            return new LocalFolder(root, file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartException(
                $"The folder {root} cannot be used: {e.Message} Is another Governor.Local running in it? Stop that one, or start in another folder.", e);
        }
    }

    /// <summary>Forgets everything of former runs.</summary>
    public void Empty()
    {
        foreach (var folder in Directory.GetDirectories(Root))
            Directory.Delete(folder, recursive: true);
        foreach (var file in Directory.GetFiles(Root).Where(f => Path.GetFileName(f) != "lock"))
            File.Delete(file);
    }

    public void Dispose() => held.Dispose();
}
