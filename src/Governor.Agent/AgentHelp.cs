namespace Governor.Agent;

/// <summary>What <c>--help</c> prints.</summary>
internal static class AgentHelp
{
    internal const string Text = """
        Governor.Agent: keeps one runtime equal to what the Director wants it to hold.

        Settings come from the environment (as written here), from appsettings.json and from the command line (with ':' for '__').

          ConnectionStrings__RabbitMq   amqp[s]://user:password@host:port/vhost. Required.
          RabbitMq__QueueType           classic (default) or quorum, as the Director has it.
          Agent__RuntimeId              Id that the runtime is registered under: 1 to 63 of a-z, 0-9 and -. Required.
          Agent__Kind                   standalone-kyma. Required.
          Agent__ResourcesPath          Folder that daprd reads resources from (its --resources-path). Required.
          Agent__StatePath              Folder for the Agent's keys; keep it across restarts. Required.
          Agent__DaprResourcesPath      The resources folder as daprd sees it, if by another path. Default Agent__ResourcesPath.
          Agent__DaprGrpcEndpoint       http://host:port of daprd's gRPC API, to be asked whether it has loaded what was written.
                                        Default none: not asked. daprd's API token, if it has one, in DAPR_API_TOKEN.
          Agent__DaprHttpEndpoint       http://host:port of its HTTP API, to tell why not. Default none.
          Agent__DaprLoadTimeout        hh:mm:ss that daprd has for that; 00:00:01 to 00:05:00. Default 00:00:20.
          Agent__ReportInterval         hh:mm:ss between reports, give or take 10 %. Default 00:01:00.
          Agent__DeniedComponentTypes   Component types to refuse, by commas; bindings.* refuses all that begin so. Default none.
          Logging__Console__FormatterName   json for logs that machines read. Default simple.
        """;
}
