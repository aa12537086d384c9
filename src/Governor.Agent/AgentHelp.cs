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
          Agent__StatePath              Folder for the Agent's key; keep it across restarts. Required.
          Agent__ReportInterval         hh:mm:ss between reports, give or take 10 %. Default 00:01:00.
          Agent__DeniedComponentTypes   Component types to refuse, by commas; bindings.* refuses all that begin so. Default none.
          Logging__Console__FormatterName   json for logs that machines read. Default simple.
        """;
}
