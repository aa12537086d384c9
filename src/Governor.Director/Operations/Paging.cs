using System.Buffers.Text;
using System.Text;
using Governor.Director.Persistence;

namespace Governor.Director.Operations;

/// <summary>One page of a list. The cursor names the last item; it is opaque to clients.</summary>
/// <param name="Items">The items.</param>
/// <param name="NextCursor">Give it as <c>cursor</c> to get the next page; absent on the last one.</param>
internal sealed record Page<T>(IReadOnlyList<T> Items, string? NextCursor);

/// <summary>Query parameters <c>limit</c> and <c>cursor</c> of every list.</summary>
internal readonly record struct Paging(int Limit, string? After)
{
    public const int DefaultLimit = 100;
    public const int MaxLimit = 1000;

    /// <summary>Reads the parameters.</summary>
    public static Outcome<Boxed> Read(string? limit, string? cursor)
    {
        var count = DefaultLimit;
        if (limit is not null && (!int.TryParse(limit, out count) || count is < 1 or > MaxLimit))
        {
            return new Refusal(StatusCodes.Status400BadRequest, "invalid-limit",
                $"`limit` must be a whole number from 1 to {MaxLimit}; leave it out for {DefaultLimit}.");
        }

        if (cursor is null)
            return new Boxed(new Paging(count, null));

        var after = Decode(cursor);
        return after is null
            ? new Refusal(StatusCodes.Status400BadRequest, "invalid-cursor",
                "`cursor` must be the `nextCursor` of a former page, unchanged. Leave it out to start from the beginning.")
            : new Boxed(new Paging(count, after));
    }

    /// <summary>Makes a page of the items read, which are one more than the limit if there are further ones.</summary>
    public Page<TItem> Of<TRow, TItem>(IReadOnlyList<TRow> rows, Func<TRow, string> key, Func<TRow, TItem> item) => new(
        [.. rows.Take(Limit).Select(item)],
        rows.Count > Limit ? Base64Url.EncodeToString(Encoding.UTF8.GetBytes(key(rows[Limit - 1]))) : null);

    private static string? Decode(string cursor)
    {
        try
        {
            var key = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(cursor));
            return StoredText.Of(key, key.Length) == key ? key : null; // what cannot be stored is no former page's
        }
        catch (FormatException)
        {
            return null;
        }
    }

    /// <summary>A <see cref="Paging"/> where a class is needed.</summary>
    internal sealed record Boxed(Paging Paging);
}
