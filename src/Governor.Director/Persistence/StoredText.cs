using System.Text;

namespace Governor.Director.Persistence;

/// <summary>Text from outside, as both databases hold it.</summary>
internal static class StoredText
{
    /// <summary>Text to compare with what is stored: what cannot be stored becomes what never is.</summary>
    public static string? Sought(string? text) => text is null ? null : Of(text, text.Length);

    /// <summary>Every character but U+0000, which PostgreSQL refuses, and no half of a surrogate pair; cut to a length.</summary>
    public static string Of(string text, int length) =>
        Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text[..Math.Min(text.Length, length)])).Replace('\0', '\uFFFD');
}
