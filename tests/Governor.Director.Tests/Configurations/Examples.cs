namespace Governor.Director.Tests.Configurations;

/// <summary>The files of contracts/examples, which the build copies beside the tests.</summary>
internal static class Examples
{
    public static byte[] Read(string file) => File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "examples", file));
}
