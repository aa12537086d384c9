namespace Governor.Director;

/// <summary>What <c>--help</c> prints.</summary>
internal static class DirectorHelp
{
    public const string Text =
        """
        Governor.Director: holds the desired configuration of a fleet of runtimes and rolls changes out to their Agents.

        Governor.Director             run it
        Governor.Director restored    say that the database was restored from a backup, before the Directors start again: all
                                      generations go up, so that every runtime is sent the whole. Needs
                                      ConnectionStrings__Director only. It refuses while a Director is at work; --force does not.

        Governor.Director certificate FILE
                                      make the certificate that encrypts what is stored of credentials, unless FILE is there;
                                      its password is what DataProtection__CertificatePassword holds, none if that is not set

        Settings (environment variables; the same keys work in appsettings.json and as --Key:Name=value):
          ConnectionStrings__RabbitMq    amqp://user:password@host:port/vhost, amqps for TLS             required
          ConnectionStrings__Director    Npgsql connection string of the Director's database             required
          Urls                           HTTP addresses                                                  http://localhost:8080
          RabbitMq__QueueType            classic or quorum; cannot change once queues exist              classic
          Database__MigrateOnStart       bring the schema up to date at start                            true
          DataProtection__CertificatePath  PKCS#12 file with an RSA key that encrypts what is stored of
                                         credentials; `certificate` makes one                            required beyond loopback
          DataProtection__CertificatePassword  its password                                              none
          DataProtection__FormerCertificatePath, …FormerCertificatePassword
                                         the one before: what it encrypted stays readable                none
          Drift__Interval                time between two drift runs, hh:mm:ss                           00:01:00
          Drift__Mode                    off, detect or heal                                             heal
          Drift__MaxSends                most runtimes that one drift run sends to                       2000
          Delivery__Deadline             time that a message has before it is sent again, hh:mm:ss       00:00:30
          Logging__Console__FormatterName  json for structured logs                                      simple

        It answers on /health/live and /health/ready; the README has a tour. Exit code: 0 after SIGTERM,
        1 for wrong settings and for what a command refuses.
        """;
}
