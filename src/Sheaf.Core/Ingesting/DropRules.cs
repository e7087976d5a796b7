using System.Collections.Frozen;
using Sheaf.Spans;

namespace Sheaf.Ingesting;

/// <summary>Spans that the operator wants dropped, counted and not kept. Immutable; a reload swaps the whole.</summary>
public sealed class DropRules(IEnumerable<long> organizations, IEnumerable<long> projects, IEnumerable<TraceId> traces)
{
    /// <summary>Drops nothing.</summary>
    public static readonly DropRules None = new([], [], []);

    private readonly FrozenSet<long> _organizations = organizations.ToFrozenSet();
    private readonly FrozenSet<long> _projects = projects.ToFrozenSet();
    private readonly FrozenSet<TraceId> _traces = traces.ToFrozenSet();

    /// <summary>Whether a rule names the span's organization, project or trace.</summary>
    public bool Drops(in TraceSpan span) =>
        (_organizations.Count > 0 && _organizations.Contains(span.OrganizationId))
        || (_projects.Count > 0 && _projects.Contains(span.Trace.ProjectId))
        || (_traces.Count > 0 && _traces.Contains(span.Trace.TraceId));
}
