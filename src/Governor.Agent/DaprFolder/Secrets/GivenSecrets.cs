using Governor.Contracts;
using Governor.Messaging.Sealing;

namespace Governor.Agent.DaprFolder.Secrets;

/// <summary>The secrets that one message brought.</summary>
internal sealed class GivenSecrets
{
    private readonly Dictionary<string, CredentialSecrets> _byName = new(StringComparer.Ordinal);

    internal GivenSecrets(IEnumerable<CredentialSecrets> secrets)
    {
        foreach (var credential in secrets)
            _byName[credential.Name] = credential;
    }

    internal CredentialSecrets? Find(string credential) => _byName.GetValueOrDefault(credential);

    /// <summary>The first reference of a component that leads nowhere, if one does.</summary>
    internal SecretKeyRef? Missing(DesiredComponent component) =>
        References(component).FirstOrDefault(reference => Find(reference.Name)?.Entries.ContainsKey(reference.Key) != true);

    /// <summary>What a component refers to; null if that is nothing. All of it must be there.</summary>
    internal SecretSet? SetOf(DesiredComponent component)
    {
        var names = References(component).Select(reference => reference.Name).Distinct(StringComparer.Ordinal).ToList();
        return names.Count == 0 ? null : new SecretSet(names.Select(name => _byName[name]));
    }

    private static IEnumerable<SecretKeyRef> References(DesiredComponent component) =>
        component.Metadata.Select(setting => setting.SecretKeyRef).OfType<SecretKeyRef>();
}
