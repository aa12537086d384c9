using MassTransit;

namespace Governor.Contracts;

/// <summary>The Director asks a runtime's Agent for a report, and gives it a new epoch to stamp its reports with.</summary>
/// <remarks>Published with the runtime's id as routing key. Only the Agent that consumes the runtime's queue gets it, so a
/// standby stays silent.</remarks>
/// <param name="RuntimeId">The runtime addressed; also the routing key.</param>
/// <param name="Epoch">Epoch of all reports from now on; the Agent keeps the highest that it was told.</param>
/// <param name="Enrol">Whether the Director has no key of the Agent: then it enrols again.</param>
[EntityName("governor.report-requested")]
[MessageUrn("governor:report-requested")]
public sealed record ReportRequested(string RuntimeId, long Epoch, bool Enrol = false);
