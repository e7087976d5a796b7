using System.Collections.Frozen;
using Sheaf.Spans;

namespace Sheaf.Ingesting;

/// <summary>Spans that the operator does not want: they are counted as dropped and go nowhere. Immutable; swapped whole while a run goes on.</summary>
public sealed record DropRules(FrozenSet<long> Organizations, FrozenSet<long> Projects, FrozenSet<TraceId> Traces)
{
    /// <summary>Drops nothing.</summary>
    public static readonly DropRules None = new(FrozenSet<long>.Empty, FrozenSet<long>.Empty, FrozenSet<TraceId>.Empty);

    /// <summary>Whether anything can be dropped: asked once per batch, so that <see cref="Drops"/> need not be asked per span.</summary>
    public bool Any => Organizations.Count + Projects.Count + Traces.Count > 0;

    /// <summary>Whether a span of this organization and trace is to be dropped.</summary>
    public bool Drops(long organizationId, TraceKey trace) =>
        Organizations.Contains(organizationId) || Projects.Contains(trace.ProjectId) || Traces.Contains(trace.TraceId);
}
