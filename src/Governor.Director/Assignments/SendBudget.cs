namespace Governor.Director.Assignments;

/// <summary>Bounds what one transaction sends: large contents make small chunks.</summary>
internal sealed class SendBudget
{
    /// <summary>Most bytes of content that one transaction sends, unless a single message is larger.</summary>
    public const long MaxBytes = 8 * 1024 * 1024;

    private long bytes;

    /// <summary>Whether something was not taken.</summary>
    public bool IsSpent { get; private set; }

    /// <summary>Takes the message of a member, if it still fits; once one did not, none does.</summary>
    public bool Takes(FleetMember member)
    {
        var size = member.Size();
        if (IsSpent || (bytes > 0 && bytes + size > MaxBytes))
        {
            IsSpent = true;
            return false;
        }

        bytes += size;
        return true;
    }
}
