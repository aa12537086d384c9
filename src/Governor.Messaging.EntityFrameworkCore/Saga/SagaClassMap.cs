using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace MassTransit
{
    /// <summary>Maps a saga; its key is <c>CorrelationId</c>.</summary>
    /// <typeparam name="TSaga">The saga.</typeparam>
    public abstract class SagaClassMap<TSaga> : ISagaClassMap<TSaga> where TSaga : class, ISaga
    {
        /// <inheritdoc />
        public Type SagaType => typeof(TSaga);

        /// <inheritdoc />
        public void Configure(ModelBuilder model)
        {
            var entity = model.Entity<TSaga>();
            entity.HasKey(saga => saga.CorrelationId);
            entity.Property(saga => saga.CorrelationId).ValueGeneratedNever();
            Configure(entity, model);
        }

        /// <summary>Maps the saga's own properties.</summary>
        /// <param name="entity">The saga.</param>
        /// <param name="model">The whole model.</param>
        protected virtual void Configure(EntityTypeBuilder<TSaga> entity, ModelBuilder model)
        {
            // What EF Core finds by itself is enough for many.
        }
    }
}

namespace MassTransit.EntityFrameworkCoreIntegration
{
    /// <summary>Maps a saga.</summary>
    public interface ISagaClassMap
    {
        /// <summary>The saga.</summary>
        Type SagaType { get; }

        /// <summary>Adds the saga to a model.</summary>
        /// <param name="model">The model.</param>
        void Configure(ModelBuilder model);
    }

    /// <inheritdoc />
    /// <typeparam name="TSaga">The saga.</typeparam>
    public interface ISagaClassMap<TSaga> : ISagaClassMap where TSaga : class, ISaga;

    /// <summary>A DbContext for sagas that are mapped by class maps.</summary>
    /// <param name="options">Its options.</param>
    public abstract class SagaDbContext(DbContextOptions options) : DbContext(options)
    {
        /// <summary>The maps of the sagas.</summary>
        protected abstract IEnumerable<ISagaClassMap> Configurations { get; }

        /// <inheritdoc />
        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            base.OnModelCreating(modelBuilder);
            foreach (var map in Configurations)
                map.Configure(modelBuilder);
        }
    }
}
