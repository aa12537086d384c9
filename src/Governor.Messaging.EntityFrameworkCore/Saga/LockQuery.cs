using System.Linq.Expressions;
using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace MassTransit.EntityFrameworkCoreIntegration.Saga;

/// <summary>Runs lock statements, as tracking queries that EF Core compiles once for each model.</summary>
/// <remarks>
/// <c>FromSqlRaw</c> builds its expression, and searches the compiled query by it, for every event. <c>EF.CompileAsyncQuery</c> does not
/// take <c>FromSqlRaw</c>, but takes the expression that <c>FromSqlRaw</c> makes, with a parameter where the values of one call would be.
/// </remarks>
internal sealed class LockQuery<TSaga> where TSaga : class, ISaga
{
    private readonly ConditionalWeakTable<IModel, Compiled> _compiled = [];

    /// <summary>The rows that a statement gives for an id, tracked.</summary>
    public IAsyncEnumerable<TSaga> Run(DbContext context, string statement, Guid correlationId)
    {
        var compiled = _compiled.GetOrAdd(context.Model, static (_, first) => Compile(first.context, first.statement), (context, statement));
        // A provider may change its mind; its first statement is what is compiled.
        return compiled.Query is { } query && compiled.Statement == statement
            ? query(context, [correlationId])
            : Rows(context, statement, correlationId).AsAsyncEnumerable();
    }

    private static IQueryable<TSaga> Rows(DbContext context, string statement, Guid correlationId) =>
        context.Set<TSaga>().FromSqlRaw(statement, correlationId).AsTracking();

    private static Compiled Compile(DbContext context, string statement)
    {
        var values = new ValuesByParameter();
        var body = values.Visit(Rows(context, statement, Guid.Empty).Expression);
        return new Compiled(statement, values.Found != 1 ? null : EF.CompileAsyncQuery(
            Expression.Lambda<Func<DbContext, object[], IQueryable<TSaga>>>(body, Expression.Parameter(typeof(DbContext), "context"), values.Parameter)));
    }

    private sealed record Compiled(string Statement, Func<DbContext, object[], IAsyncEnumerable<TSaga>>? Query);

    private sealed class ValuesByParameter : ExpressionVisitor
    {
        public ParameterExpression Parameter { get; } = Expression.Parameter(typeof(object[]), "values");

        /// <summary>Anything but 1: this is not the expression of the EF Core that this was written for.</summary>
        public int Found { get; private set; }

        protected override Expression VisitConstant(ConstantExpression node)
        {
            if (node.Value is not object[])
                return node;
            Found++;
            return Parameter;
        }
    }
}
