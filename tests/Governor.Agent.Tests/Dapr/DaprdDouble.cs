using System.Net;
using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Governor.Agent.Tests.Dapr;

/// <summary>Stands in for daprd on loopback addresses: loads a resources folder and tells by gRPC and HTTP what it has.</summary>
internal sealed class DaprdDouble : IAsyncDisposable
{
    internal const string AppId = "app";

    private readonly Lock _gate = new();
    private readonly string _folder;
    private readonly WebApplication _web;
    private LoadedFolder _loaded;

    private DaprdDouble(string folder)
    {
        _folder = folder;
        _loaded = new LoadedFolder(folder, AppId);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
        });
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(this);
        _web = builder.Build();
        _web.MapGrpcService<Service>();
        _web.MapGet("/v1.0/metadata", () => Results.Json(new
        {
            id = AppId, runtimeVersion = "1.18.3", enabledFeatures = HotReload ? new[] { "HotReload" } : [],
        }));
    }

    /// <summary>Whether it looks again after its start.</summary>
    internal bool HotReload { get; set; } = true;

    /// <summary>Whether it loads anything at all.</summary>
    internal bool Loads { get; set; } = true;

    /// <summary>Whether it answers nobody.</summary>
    internal volatile bool IsDown;

    /// <summary>Whether it takes questions and never answers.</summary>
    internal volatile bool Hangs;

    /// <summary>How many times it was asked.</summary>
    internal int Asked;

    internal string GrpcEndpoint { get; private set; } = "";

    internal string HttpEndpoint { get; private set; } = "";

    internal string? Ended
    {
        get
        {
            lock (_gate)
                return _loaded.Ended;
        }
    }

    internal static async Task<DaprdDouble> StartAsync(string folder)
    {
        var daprd = new DaprdDouble(folder);
        await daprd._web.StartAsync(TestContext.Current.CancellationToken);
        var addresses = daprd._web.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.ToList();
        (daprd.GrpcEndpoint, daprd.HttpEndpoint) = (addresses[0], addresses[1]);
        daprd._loaded.Look();
        return daprd;
    }

    /// <summary>A new process on the same folder.</summary>
    internal void Restart()
    {
        lock (_gate)
        {
            _loaded = new LoadedFolder(_folder, AppId);
            _loaded.Look();
        }
    }

    /// <summary>What a component was given, after a look at the folder.</summary>
    internal IReadOnlyDictionary<string, string>? Look(string component)
    {
        lock (_gate)
        {
            if (HotReload && Loads)
                _loaded.Look();
            return _loaded.Settings(component);
        }
    }

    public async ValueTask DisposeAsync() => await _web.DisposeAsync();

    private GetMetadataResponse Metadata()
    {
        Interlocked.Increment(ref Asked);
        if (IsDown)
            throw new RpcException(new Status(StatusCode.Unavailable, "down"));
        Look("");
        var response = new GetMetadataResponse { Id = AppId };
        lock (_gate)
            response.RegisteredComponents.AddRange(_loaded.Components.Select(component =>
                new RegisteredComponents { Name = component.Name, Type = component.Type, Version = component.Version }));
        return response;
    }

    private sealed class Service(DaprdDouble daprd) : DaprBase
    {
        public override async Task<GetMetadataResponse> GetMetadata(GetMetadataRequest request, ServerCallContext context)
        {
            if (daprd.Hangs)
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.CancellationToken);
            return daprd.Metadata();
        }
    }
}
