namespace Governor.Director.Configurations;

/// <summary>Gathers everything that is wrong with a request, so that its author can mend it in one go.</summary>
internal sealed class RequestErrors
{
    /// <summary>Most field errors in one answer: a body of nothing but errors must not be answered by a bigger one.</summary>
    private const int MostListed = 100;

    private readonly List<(int Status, string Code, FieldError Error)> errors = [];

    /// <summary>Whether anything is wrong so far.</summary>
    public bool Any => errors.Count > 0;

    /// <summary>Notes an error of shape (400).</summary>
    /// <param name="code">Stable code.</param>
    /// <param name="field">JSON path of the field.</param>
    /// <param name="message">What the field must be, to be read after its path. Never holds a metadata value.</param>
    public void Malformed(string code, string field, string message) => Add(StatusCodes.Status400BadRequest, code, field, message);

    /// <summary>Notes well-formed content that cannot be accepted (422).</summary>
    /// <inheritdoc cref="Malformed" path="/param" />
    public void Unacceptable(string code, string field, string message) =>
        Add(StatusCodes.Status422UnprocessableEntity, code, field, message);

    /// <summary>The refusal: it has status and code of the first error of shape, else of the first error, and lists all.</summary>
    public Refusal ToRefusal()
    {
        var (status, code, first) = errors.MinBy(error => error.Status); // the first of the lowest status
        var others = errors.Count - 1;
        var detail = $"{first.Field} {first.Message}" + others switch
        {
            0 => "",
            1 => " One more field is wrong, see errors.",
            < MostListed => $" {others} more fields are wrong, see errors.",
            _ => $" {others} more fields are wrong, of which errors lists the first.",
        };
        return new Refusal(status, code, detail, [.. errors.Take(MostListed).Select(error => error.Error)]);
    }

    private void Add(int status, string code, string field, string message) =>
        errors.Add((status, code, new FieldError(field, message)));
}
