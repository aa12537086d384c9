using System.ComponentModel.DataAnnotations;

namespace Governor.Director.Drift;

/// <summary>What the drift job does about drift.</summary>
internal enum DriftMode
{
    /// <summary>Nothing is recorded. What was never delivered is delivered all the same.</summary>
    Off = 0,

    /// <summary>Drift is recorded and announced.</summary>
    Detect = 1,

    /// <summary>Drift is recorded, announced and repaired.</summary>
    Heal = 2,
}

/// <summary>Settings of the drift job, section <c>Drift</c>.</summary>
internal sealed class DriftOptions
{
    /// <summary>Time between two runs; 1 s to 1 day.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00",
        ErrorMessage = "Drift__Interval must be between 00:00:01 and 1.00:00:00 (hh:mm:ss).")]
    public TimeSpan Interval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>What is done about drift.</summary>
    public DriftMode Mode { get; set; } = DriftMode.Heal;

    /// <summary>Most runtimes that one run sends to; 1 to 100,000.</summary>
    [Range(1, 100_000, ErrorMessage = "Drift__MaxSends must be between 1 and 100000.")]
    public int MaxSends { get; set; } = 2000;
}

/// <summary>Settings of delivery, section <c>Delivery</c>.</summary>
internal sealed class DeliveryOptions
{
    /// <summary>Time that a message has before it is sent again; 1 s to 1 hour.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00",
        ErrorMessage = "Delivery__Deadline must be between 00:00:01 and 01:00:00 (hh:mm:ss).")]
    public TimeSpan Deadline { get; set; } = TimeSpan.FromSeconds(30);
}
