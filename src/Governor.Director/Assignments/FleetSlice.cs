namespace Governor.Director.Assignments;

/// <summary>A set of runtimes that one transaction has locked, with what they are assigned and what is to change.</summary>
internal sealed class FleetSlice(IReadOnlyDictionary<string, FleetMember> members)
{
    public IReadOnlyDictionary<string, FleetMember> Members { get; } = members;

    public FleetMember? Find(string runtimeId) => Members.GetValueOrDefault(runtimeId);
}
