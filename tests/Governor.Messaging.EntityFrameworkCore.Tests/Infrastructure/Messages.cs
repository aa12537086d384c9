namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>Goes to the queue that is bound with its key.</summary>
public sealed record Routed(string Key, int Number);

/// <summary>A command whose consumer writes a note and publishes <see cref="Routed"/>.</summary>
public sealed record WriteNote(string Text, int Failures = 0);

public sealed record NoteWritten(string Text);
