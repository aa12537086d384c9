namespace Governor.Director.Tests.Hosting;

/// <summary>The runtimes that have a fake Agent in every host.</summary>
internal static class Fleet
{
    public const string Kind = "standalone-kyma";

    public static readonly IReadOnlyList<string> Runtimes = ["eu-1", "eu-2", "eu-3", "us-1", "us-2"];

    /// <summary>Label <c>region</c> of a runtime: the first part of its id.</summary>
    public static string RegionOf(string runtimeId) => runtimeId.Split('-')[0];
}
