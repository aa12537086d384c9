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

    /// <summary>Gives every saga that is registered without a repository one over EF Core.</summary>
    /// <param name="configurator">The bus registration, before its sagas are added.</param>
    /// <param name="configure">Settings; the DbContext, which maps all those sagas, must be among them.</param>
    public static void SetEntityFrameworkSagaRepositoryProvider(
        this IRegistrationConfigurator configurator, Action<IEntityFrameworkSagaRepositoryConfigurator> configure) =>
        configurator.SetSagaRepositoryProvider(new EntityFrameworkSagaRepositoryRegistrationProvider(configure));

    /// <summary>The saga's instances lie in PostgreSQL.</summary>
    /// <param name="configurator">The repository.</param>
    /// <param name="enableSchemaCaching">Whether a lock statement is written once for each model.</param>
    /// <returns>The same configurator.</returns>
    public static IEntityFrameworkSagaRepositoryConfigurator UsePostgres(this IEntityFrameworkSagaRepositoryConfigurator configurator, bool enableSchemaCaching = true)
    {
        configurator.LockStatementProvider = new PostgresLockStatementProvider(enableSchemaCaching);
        return configurator;
    }

    /// <summary>The saga's instances lie in PostgreSQL, in a schema that the model does not name.</summary>
    /// <param name="configurator">The repository.</param>
    /// <param name="schemaName">The schema of what the model gives none; for lock statements.</param>
    /// <param name="enableSchemaCaching">Whether a lock statement is written once for each model.</param>
    /// <returns>The same configurator.</returns>
    public static IEntityFrameworkSagaRepositoryConfigurator UsePostgres(this IEntityFrameworkSagaRepositoryConfigurator configurator, string schemaName, bool enableSchemaCaching = true)
    {
        configurator.LockStatementProvider = new PostgresLockStatementProvider(schemaName, enableSchemaCaching);
        return configurator;
    }

    /// <summary>The saga's instances lie in SQLite.</summary>
    /// <param name="configurator">The repository.</param>
    /// <param name="enableSchemaCaching">Whether a lock statement is written once for each model.</param>
    /// <returns>The same configurator.</returns>
    public static IEntityFrameworkSagaRepositoryConfigurator UseSqlite(this IEntityFrameworkSagaRepositoryConfigurator configurator, bool enableSchemaCaching = true)
    {
        configurator.LockStatementProvider = new SqliteLockStatementProvider(enableSchemaCaching);
        return configurator;
    }
}
