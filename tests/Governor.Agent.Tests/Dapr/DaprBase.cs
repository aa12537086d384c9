using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Grpc.Core;

namespace Governor.Agent.Tests.Dapr;

/// <summary>The server's side of the calls that an Agent makes, on Dapr's own messages: its package brings the client's side
/// only. What is not bound answers Unimplemented.</summary>
[BindServiceMethod(typeof(DaprBase), nameof(BindService))]
public abstract class DaprBase
{
    /// <summary>Grpc.AspNetCore looks for this.</summary>
    public static void BindService(ServiceBinderBase binder, DaprBase? service)
    {
        ArgumentNullException.ThrowIfNull(binder);
        binder.AddMethod(Unary<GetMetadataRequest, GetMetadataResponse>("GetMetadata"), service is null ? null! : service.GetMetadata);
    }

    public virtual Task<GetMetadataResponse> GetMetadata(GetMetadataRequest request, ServerCallContext context) =>
        throw new RpcException(new Status(StatusCode.Unimplemented, ""));

    private static Method<TRequest, TResponse> Unary<TRequest, TResponse>(string name)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new() =>
        new(MethodType.Unary, "dapr.proto.runtime.v1.Dapr", name, Marshal<TRequest>(), Marshal<TResponse>());

    private static Marshaller<T> Marshal<T>()
        where T : class, IMessage<T>, new()
    {
        var parser = new MessageParser<T>(() => new T());
        return Marshallers.Create(message => message.ToByteArray(), parser.ParseFrom);
    }
}
