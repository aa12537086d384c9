using System.Text.Json;
using System.Text.Json.Serialization;
using Newtonsoft.Json;
using NJsonSchema;
using NJsonSchema.Generation;
using NJsonSchema.Generation.TypeMappers;

namespace Governor.Contracts.Tests;

/// <summary>JSON Schemas of the messages, generated from the records and their documentation.</summary>
internal static class Schemas
{
    public const string WriteVariable = "GOVERNOR_WRITE_SCHEMAS";

    public static string Folder { get; } = Path.Combine(RepositoryRoot(), "contracts", "schemas");

    public static string FileNameOf(Type message) => $"{Contracts.EntityNameOf(message)}.schema.json";

    public static string Generate(Type message)
    {
        var schema = JsonSchema.FromType(message, Settings());
        schema.Id = Contracts.UrnOf(message);
        return schema.ToJson(Formatting.Indented).ReplaceLineEndings("\n") + "\n";
    }

    private static SystemTextJsonSchemaGeneratorSettings Settings() => new()
    {
        SerializerOptions = new JsonSerializerOptions
        {
            PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
            DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        },
        DefaultReferenceTypeNullHandling = ReferenceTypeNullHandling.NotNull,
        // Contracts grow: a reader must expect fields that it does not know.
        AlwaysAllowAdditionalObjectProperties = true,
        UseXmlDocumentation = false, // it knows nothing of a record's parameters: see Describe
        SchemaProcessors = { new Describe() },
        TypeMappers =
        {
            // NJsonSchema calls these "duration", which is ISO 8601's, and "guid", which no one else knows.
            new PrimitiveTypeMapper(typeof(TimeSpan), schema =>
            {
                schema.Type = JsonObjectType.String;
                schema.Pattern = @"^-?(\d+\.)?\d{2}:\d{2}:\d{2}(\.\d{1,7})?$";
            }),
            new PrimitiveTypeMapper(typeof(Guid), schema =>
            {
                schema.Type = JsonObjectType.String;
                schema.Format = "uuid";
            }),
        },
    };

    private static string RepositoryRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Governor.Messaging.sln")))
            folder = folder.Parent ?? throw new InvalidOperationException("These tests run from within the repository.");
        return folder.FullName;
    }

    /// <summary>Adds descriptions, and which fields must be there.</summary>
    private sealed class Describe : ISchemaProcessor
    {
        public void Process(SchemaProcessorContext context)
        {
            var type = context.ContextualType.Type;
            if (type.Assembly != typeof(ConfigurationUpdated).Assembly)
                return;

            var schema = context.Schema;
            schema.Description = Documentation.SummaryOf(type);
            schema.EnumerationNames.Clear(); // CLR names
            if (type.IsEnum)
                return;

            foreach (var parameter in Contracts.ParametersOf(type))
            {
                var property = schema.Properties[Contracts.CamelCase(parameter.Name!)];
                property.Description = Documentation.ParameterOf(type, parameter.Name!);
                property.IsRequired = !Contracts.IsOptional(parameter);
                if (parameter.ParameterType == typeof(JsonElement?))
                    property.OneOf.Clear(); // "any JSON, or else null" would refuse null, which is both
            }
        }
    }
}
