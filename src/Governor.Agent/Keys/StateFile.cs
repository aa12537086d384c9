namespace Governor.Agent.Keys;

/// <summary>A small file in an Agent's state folder: made once, kept for good, and readable by nobody else.</summary>
internal static class StateFile
{
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
                Create(path, make());
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AgentSettingsException([$"Agent:StatePath: {path} cannot be read or written ({e.Message}); give the Agent a folder of its own."]);
        }
    }

    internal static string PathOf(string statePath, string name) => Path.Combine(Path.GetFullPath(statePath), name);

    private static void Create(string path, byte[] content)
    {
        var folder = Path.GetDirectoryName(path)!;
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(folder);
        else
            Directory.CreateDirectory(folder, OwnerFolder);

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
        catch (IOException) when (File.Exists(path))
        {
            // Another Agent of this runtime shares the folder and was first: its content is the one.
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
