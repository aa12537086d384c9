using System.Reflection;
using MassTransit;

namespace Governor.Contracts.Tests;

/// <summary>The types of the contracts package, by reflection.</summary>
internal static class Contracts
{
    private static readonly Type[] All = [.. typeof(ConfigurationUpdated).Assembly.GetExportedTypes().OrderBy(t => t.Name, StringComparer.Ordinal)];

    public static IReadOnlyList<Type> Records { get; } = [.. All.Where(t => t.IsClass)];

    public static IReadOnlyList<Type> Enums { get; } = [.. All.Where(t => t.IsEnum)];

    public static IReadOnlyList<Type> Other { get; } = [.. All.Where(t => t is { IsClass: false, IsEnum: false })];

    /// <summary>What travels on its own: the records with a name on the wire.</summary>
    public static IReadOnlyList<Type> Messages { get; } = [.. Records.Where(t => EntityNameOf(t) is not null || UrnOf(t) is not null)];

    public static string? EntityNameOf(Type message) => message.GetCustomAttribute<EntityNameAttribute>(inherit: false)?.EntityName;

    public static string? UrnOf(Type message) => message.GetCustomAttribute<MessageUrnAttribute>(inherit: false)?.Urn.ToString();

    /// <summary>The parameters that a record was declared with: its fields on the wire.</summary>
    public static IReadOnlyList<ParameterInfo> ParametersOf(Type record) =>
        [.. record.GetConstructors().Single().GetParameters()];

    /// <summary>Whether a field may be absent: it has a default, or may be null, and nulls are left out.</summary>
    public static bool IsOptional(ParameterInfo parameter) => parameter.HasDefaultValue
        || Nullable.GetUnderlyingType(parameter.ParameterType) is not null
        || new NullabilityInfoContext().Create(parameter).ReadState == NullabilityState.Nullable;

    public static string CamelCase(string name) => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(name);
}
