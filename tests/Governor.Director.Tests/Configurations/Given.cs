using System.Text.Json;
using Governor.Contracts;
using Governor.Director.Configurations;

namespace Governor.Director.Tests.Configurations;

/// <summary>Short ways to say what is assigned.</summary>
internal static class Given
{
    public static DesiredComponent Component(string name, string host = "redis:6379", params string[] scopes) => new(
        name, "state.redis", "v1", [new ComponentSetting("redisHost", JsonSerializer.SerializeToElement(host))], scopes);

    public static AssignedContent Assigned(
        string configuration, int priority, long createdOrder, params DesiredComponent[] components) =>
        new(configuration, 1, ContentDigest.Of(components), priority, createdOrder, components);
}
