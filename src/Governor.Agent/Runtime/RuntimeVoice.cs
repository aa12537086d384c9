using Governor.Contracts;
using Polly;
using Polly.Retry;

namespace Governor.Agent.Runtime;

/// <summary>What an Agent says: its enrolments and its reports, stamped.</summary>
internal sealed class RuntimeVoice
{
    private static readonly string Version = typeof(RuntimeVoice).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";
    private static readonly TimeSpan PublishTimeout = TimeSpan.FromSeconds(10);

    private readonly AgentOptions _options;
    private readonly AgentPublicKey _key;
    private readonly IRuntimeApplier _applier;
    private readonly IAgentOutbound _outbound;
    private readonly TimeProvider _clock;
    private readonly ResiliencePipeline _patience;
    private readonly string _instanceId = Guid.NewGuid().ToString();
    private RuntimeObservation? _lastReported;
    private long _number;
    private bool _firstEnrolment = true;

    internal RuntimeVoice(AgentOptions options, AgentPublicKey key, IRuntimeApplier applier, IAgentOutbound outbound, TimeProvider clock)
    {
        _options = options;
        _key = key;
        _applier = applier;
        _outbound = outbound;
        _clock = clock;
        // A broker that is down must not hold the loop; one that refuses at once must not make messages circle quickly.
        _patience = new ResiliencePipelineBuilder { TimeProvider = clock }
            .AddTimeout(PublishTimeout)
            .AddRetry(new RetryStrategyOptions
            {
                MaxRetryAttempts = 4,
                BackoffType = DelayBackoffType.Exponential,
                Delay = TimeSpan.FromMilliseconds(500),
            })
            .Build();
    }

    /// <summary>Highest epoch that the Director gave.</summary>
    internal long Epoch { get; set; }

    /// <summary>Generation of the newest message that this process handled; the runtime's own mark may be higher.</summary>
    internal long Generation { get; set; }

    /// <summary>Generation of the newest message, if its secrets could not be opened.</summary>
    internal long? Unopened { get; set; }

    /// <summary>After a connection the first enrolment is answered always.</summary>
    internal void Reconnected() => _firstEnrolment = true;

    /// <summary>Shows the Agent's key and asks to be heard.</summary>
    /// <exception cref="UnpublishedException">The broker did not take it in time.</exception>
    internal async Task EnrolAsync(CancellationToken cancellationToken)
    {
        var enrolment = new AgentEnrolled(_options.RuntimeId, _options.Kind, _instanceId, _key, _options.LongestInterval,
            Version, _firstEnrolment);
        await PublishAsync(token => _outbound.PublishAsync(enrolment, token), cancellationToken);
        _firstEnrolment = false;
    }

    /// <summary>Reports what the runtime shows.</summary>
    /// <exception cref="UnpublishedException">The broker did not take it in time.</exception>
    internal Task ReportAsync(CancellationToken cancellationToken) => ReportAsync(_applier.Observe(), cancellationToken);

    /// <summary>Reports what the runtime shows, if that is not what was last reported.</summary>
    /// <exception cref="UnpublishedException">The broker did not take it in time.</exception>
    internal async Task ReportChangeAsync(CancellationToken cancellationToken)
    {
        var observed = _applier.Observe();
        if (_lastReported is null || !observed.Configurations.SequenceEqual(_lastReported.Configurations)
            || !observed.Credentials.SequenceEqual(_lastReported.Credentials))
        {
            await ReportAsync(observed, cancellationToken);
        }
    }

    private async Task ReportAsync(RuntimeObservation observed, CancellationToken cancellationToken)
    {
        Generation = Math.Max(Generation, observed.Generation);
        var report = new RuntimeReported(_options.RuntimeId, Epoch, ++_number, Generation, _options.LongestInterval,
            _clock.GetUtcNow(), observed.Configurations, observed.Credentials, _key.Kid, Unopened);
        await PublishAsync(token => _outbound.PublishAsync(report, token), cancellationToken);
        _lastReported = observed;
    }

    private async Task PublishAsync(Func<CancellationToken, Task> publish, CancellationToken cancellationToken)
    {
        try
        {
            await _patience.ExecuteAsync(async token => await publish(token), cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new UnpublishedException(e);
        }
    }
}

/// <summary>The broker did not take what the Agent had to say.</summary>
internal sealed class UnpublishedException(Exception cause) : Exception(cause.Message, cause);
