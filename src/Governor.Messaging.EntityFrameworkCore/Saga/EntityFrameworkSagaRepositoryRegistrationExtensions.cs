using MassTransit.Configuration;
using MassTransit.EntityFrameworkCoreIntegration;

namespace MassTransit;

/// <summary>Registers saga repositories over EF Core.</summary>
public static class EntityFrameworkSagaRepositoryRegistrationExtensions
{
    /// <summary>Stores the saga's instances in the database of a DbContext.</summary>
    /// <remarks>
    /// The DbContext must map <typeparamref name="T"/>. Within the consumer outbox of the same DbContext the repository joins its
    /// transaction; otherwise it opens one around each event. Two first events of one instance at once: one of them fails with
    /// <see cref="Microsoft.EntityFrameworkCore.DbUpdateException"/> and must be retried.
    /// </remarks>
    /// <param name="configurator">The saga.</param>
    /// <param name="configure">Settings; the DbContext must be among them.</param>
    /// <typeparam name="T">The saga.</typeparam>
    /// <returns>The same configurator.</returns>
    /// <exception cref="ConfigurationException">A setting is missing.</exception>
    public static ISagaRegistrationConfigurator<T> EntityFrameworkRepository<T>(
        this ISagaRegistrationConfigurator<T> configurator, Action<IEntityFrameworkSagaRepositoryConfigurator<T>>? configure = null)
        where T : class, ISaga
    {
        var repository = new EntityFrameworkSagaRepositoryConfigurator<T>();
        configure?.Invoke(repository);
        return configurator.Repository(repository.Register);
    }

    /// <summary>The saga's instances lie in PostgreSQL.</summary>
    /// <param name="configurator">The repository.</param>
    /// <returns>The same configurator.</returns>
    public static IEntityFrameworkSagaRepositoryConfigurator UsePostgres(this IEntityFrameworkSagaRepositoryConfigurator configurator)
    {
        configurator.LockStatementProvider = new PostgresLockStatementProvider();
        return configurator;
    }

    /// <summary>The saga's instances lie in SQLite.</summary>
    /// <param name="configurator">The repository.</param>
    /// <returns>The same configurator.</returns>
    public static IEntityFrameworkSagaRepositoryConfigurator UseSqlite(this IEntityFrameworkSagaRepositoryConfigurator configurator)
    {
        configurator.LockStatementProvider = new SqliteLockStatementProvider();
        return configurator;
    }
}
