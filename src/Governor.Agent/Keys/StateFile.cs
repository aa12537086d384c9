namespace Governor.Agent.Keys;

/// <summary>A small file in an Agent's state folder: made once, kept for good, and readable by nobody else.</summary>
internal static class StateFile
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private const UnixFileMode OwnerFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnerFolder = OwnerFile | UnixFileMode.UserExecute;

    /// <summary>Reads the file; at the first start it is made.</summary>
    /// <exception cref="AgentSettingsException">The folder cannot be read or written.</exception>
    internal static byte[] ReadOrCreate(string statePath, string name, Func<byte[]> make)
    {
        var path = PathOf(statePath, name);
        try
        {
            if (!File.Exists(path))
                CreateAlone(path, make);
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AgentSettingsException([$"Agent:StatePath: {path} cannot be read or written ({e.Message}); give the Agent a folder of its own."]);
        }
    }

    internal static string PathOf(string statePath, string name) => Path.Combine(Path.GetFullPath(statePath), name);

    /// <summary>Makes the file, unless another Agent of this runtime, which shares the folder, is first: its content is the one then.
    /// Moving a file onto a free name does not tell them apart, since the name is looked at before it is taken.</summary>
    private static void CreateAlone(string path, Func<byte[]> make)
    {
        var folder = Path.GetDirectoryName(path)!;
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(folder);
        else
            Directory.CreateDirectory(folder, OwnerFolder);

        FileStream? held = null;
        IOException? why = null;
        if (!SpinWait.SpinUntil(() => File.Exists(path) || TryLock(path + ".lock", out held, out why), LongestWait))
            throw why!;
        using (held)
        {
            if (!File.Exists(path))
                Create(path, folder, make());
        }
    }

    private static bool TryLock(string path, out FileStream? held, out IOException? why)
    {
        (held, why) = (null, null);
        try
        {
            // Ends with the process, however that ends.
            held = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
            return true;
        }
        catch (IOException e)
        {
            why = e; // held by another, most likely
            return false;
        }
    }

    private static void Create(string path, string folder, byte[] content)
    {
        var temporary = Path.Combine(folder, $".{Path.GetFileName(path)}.{Guid.NewGuid():n}.tmp");
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = OwnerFile;
            using (var file = new FileStream(temporary, options))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: false);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
