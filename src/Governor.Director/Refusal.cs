namespace Governor.Director;

/// <summary>Why a request cannot be accepted: an expected answer, not a fault. Becomes problem details over HTTP and
/// <c>CommandRejected</c> on the bus.</summary>
/// <param name="Status">HTTP status: 400 for a wrong shape, 413 for too much, 422 for content that cannot be accepted.</param>
/// <param name="Code">Stable, machine-readable code, for example <c>unknown-field</c>.</param>
/// <param name="Detail">One sentence for a person that says what to change. Never holds a metadata value.</param>
/// <param name="Errors">What is wrong field by field, in document order; absent when no field is to blame.</param>
internal sealed record Refusal(int Status, string Code, string Detail, IReadOnlyList<FieldError>? Errors = null);

/// <summary>What is wrong with one field of a request.</summary>
/// <param name="Field">JSON path from the root of the body, for example <c>components[0].type</c>.</param>
/// <param name="Message">What the field must be.</param>
internal sealed record FieldError(string Field, string Message);
