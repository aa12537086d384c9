namespace Governor.Agent.DaprFolder;

/// <summary>Writes files so that a reader of the folder sees the old content or the new, never a part.</summary>
internal static class AtomicFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const string Prefix = ".governor-";
    private const string Suffix = ".tmp"; // daprd reads *.yaml and *.yml only

    /// <summary>Writes the content beside its later place, safe on disk, under a name that nobody reads.</summary>
    /// <param name="folder">Folder of the later place.</param>
    /// <param name="content">The content.</param>
    /// <param name="secret">Whether nobody but the owner may read it, from its first moment on.</param>
    /// <param name="prefix">What its name begins with, which itself begins with <see cref="Prefix"/>.</param>
    /// <returns>Path of the temporary file, in the same folder so that moving it is one step.</returns>
    internal static string Stage(string folder, byte[] content, bool secret = false, string prefix = Prefix)
    {
        var temporary = Path.Combine(folder, $"{prefix}{Guid.NewGuid():n}{Suffix}");
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (secret && !OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;
        try
        {
            using var file = new FileStream(temporary, options);
            file.Write(content);
            file.Flush(flushToDisk: true);
            return temporary;
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Writes the content beside its later place. Of a hidden file of ours the name tells what it is a part of, should a crash
    /// leave it.</summary>
    internal static string StageFor(string path, byte[] content, bool secret)
    {
        var name = Path.GetFileName(path);
        return Stage(Path.GetDirectoryName(path)!, content, secret, name.StartsWith(Prefix, StringComparison.Ordinal) ? $"{name}." : Prefix);
    }

    /// <summary>Writes the file unless it holds this content already and, if it is secret, hides it.</summary>
    internal static void Write(string path, byte[] content, bool secret = false)
    {
        if (Holds(path, content) && (!secret || IsHidden(path)))
            return;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var temporary = StageFor(path, content, secret);
        try
        {
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    internal static bool Holds(string path, byte[] content)
    {
        var file = new FileInfo(path);
        return file.Exists && file.Length == content.Length && File.ReadAllBytes(path).AsSpan().SequenceEqual(content);
    }

    /// <summary>Whether a file that is there has the mode of a secret one.</summary>
    internal static bool IsHidden(string path) =>
        OperatingSystem.IsWindows() || File.GetUnixFileMode(path) == OwnerOnly; // access there follows the folder's list

    /// <summary>Removes what a crash left. Young files stay: another Agent of this runtime may just be writing them.</summary>
    internal static void RemoveLeftovers(string folder, DateTimeOffset olderThan)
    {
        if (!Directory.Exists(folder))
            return;
        foreach (var path in Directory.EnumerateFiles(folder, $"{Prefix}*{Suffix}").Where(path => File.GetLastWriteTimeUtc(path) < olderThan.UtcDateTime))
            File.Delete(path);
    }

    internal static bool IsTemporary(string name) =>
        name.StartsWith(Prefix, StringComparison.Ordinal) && name.EndsWith(Suffix, StringComparison.Ordinal);
}
