using System.Collections.Concurrent;
using Governor.Contracts;
using Governor.Messaging;
using Governor.Messaging.Sealing;
using MassTransit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Governor.Agent.Tests;

/// <summary>Two Agents of one process on the in-memory bus, with a Director's ear beside them.</summary>
public sealed class AgentOnTheBusTests : IAsyncLifetime, IDisposable
{
    private static readonly DesiredConfiguration Logging = Desired.Configuration("logging", Desired.Component("sink"));

    private readonly TemporaryFolder _folder = new();
    private readonly Ear _ear = new();
    private IHost _host = null!;

    public async ValueTask InitializeAsync()
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection([KeyValuePair.Create<string, string?>(GovernorBus.TransportKey, "InMemory")]);
        builder.Services.AddGovernorBus(builder.Configuration, bus =>
        {
            bus.OwnTopology();
            bus.AddAgents([Options("eu-1"), Options("eu-2")]);
            bus.Endpoints((context, configurator) => configurator.DirectorEndpoint(context, "governor-test-ear", endpoint => endpoint.Instance(_ear)));
        });
        _host = builder.Build();
        await _host.StartAsync(TestContext.Current.CancellationToken);
        await Eventually.IsTrueAsync(() => _ear.Enrolments.Count == 2, "both enrolments");
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync(CancellationToken.None);
        Dispose();
    }

    public void Dispose()
    {
        _host.Dispose();
        if (Directory.Exists(_folder.Root))
            _folder.Dispose();
    }

    [Fact]
    public void Given_Agents_that_start_When_connected_Then_each_enrols_once_with_a_key_of_its_own()
    {
        Assert.Equal(["eu-1", "eu-2"], _ear.Enrolments.Select(enrolment => enrolment.RuntimeId).Order(StringComparer.Ordinal));
        Assert.Equal(2, _ear.Enrolments.Select(enrolment => enrolment.PublicKey.Kid).Distinct(StringComparer.Ordinal).Count());
        Assert.All(_ear.Enrolments, enrolment => Assert.True(enrolment.Start));
        Assert.Empty(_ear.Reports);
    }

    [Fact]
    public async Task Given_a_message_for_one_runtime_When_published_Then_that_one_applies_and_reports()
    {
        await PublishAsync(new ConfigurationUpdated("eu-2", 3, Desired.State(Logging)));
        await Eventually.IsTrueAsync(() => !_ear.Reports.IsEmpty, "the report");

        var report = Assert.Single(_ear.Reports);
        Assert.Equal(("eu-2", 3L, Logging.Digest), (report.RuntimeId, report.Generation, Assert.Single(report.Configurations).Digest));
        Assert.True(File.Exists(Path.Combine(_folder["eu-2"], "sink.yaml")));
        Assert.False(Directory.Exists(_folder["eu-1"]));
    }

    [Fact]
    public async Task Given_applied_content_When_another_hand_deletes_it_Then_the_Agent_reports_within_seconds()
    {
        await PublishAsync(new ConfigurationUpdated("eu-1", 1, Desired.State(Logging)));
        await Eventually.IsTrueAsync(() => !_ear.Reports.IsEmpty, "the report");
        File.Delete(Path.Combine(_folder["eu-1"], "sink.yaml"));
        await Eventually.IsTrueAsync(() => _ear.Reports.Any(report => report.Configurations is [{ Digest: null }]), "the report of the deletion");
    }

    [Fact]
    public async Task Given_a_credential_sealed_to_an_enrolled_key_When_it_is_rotated_and_tampered_with_Then_each_is_reported()
    {
        var key = _ear.Enrolments.Single(enrolment => enrolment.RuntimeId == "eu-1").PublicKey;
        var shop = Desired.Configuration("shop", Desired.Referring("sink", "one", "orders/token"));
        foreach (var generation in new[] { 1, 2 })
        {
            CredentialSecrets[] secrets = [Desired.Secret("orders", $"v{generation}", ("token", "s3cret"))];
            await PublishAsync(new CredentialRotated("eu-1", generation, Desired.State(secrets, shop) with { Secrets = RuntimeSecrets.Seal(secrets, "eu-1", generation, key) }));
            await Eventually.IsTrueAsync(() => _ear.Reports.Any(report => report.Credentials is [{ Name: "orders" } only] && only.VersionId == $"v{generation}"), "the report");
        }

        File.WriteAllText(Assert.Single(Directory.EnumerateFiles(_folder["eu-1"], ".governor-secrets-*.json")), "{}");
        await Eventually.IsTrueAsync(() => _ear.Reports.Any(report => report.Credentials.Any(held => held.VersionId == "tampered")), "the report of the change");
        Assert.All(_ear.Reports, report => Assert.Equal(key.Kid, report.Kid));
    }

    [Fact]
    public async Task Given_an_asked_Agent_When_it_reports_Then_it_stamps_the_epoch()
    {
        await PublishAsync(new ReportRequested("eu-1", 12));
        await Eventually.IsTrueAsync(() => _ear.Reports.Any(report => report is { RuntimeId: "eu-1", Epoch: 12 }), "the report");
    }

    private AgentOptions Options(string runtimeId) => new()
    {
        RuntimeId = runtimeId,
        Kind = "standalone-kyma",
        ResourcesPath = _folder[runtimeId],
        StatePath = _folder[runtimeId + "-state"],
    };

    private Task PublishAsync<T>(T message)
        where T : class => _host.Services.GetRequiredService<IBus>().Publish(message, TestContext.Current.CancellationToken);

    private sealed class Ear : IConsumer<RuntimeReported>, IConsumer<AgentEnrolled>
    {
        internal ConcurrentQueue<RuntimeReported> Reports { get; } = new();

        internal ConcurrentQueue<AgentEnrolled> Enrolments { get; } = new();

        public Task Consume(ConsumeContext<RuntimeReported> context)
        {
            Reports.Enqueue(context.Message);
            return Task.CompletedTask;
        }

        public Task Consume(ConsumeContext<AgentEnrolled> context)
        {
            Enrolments.Enqueue(context.Message);
            return Task.CompletedTask;
        }
    }
}
