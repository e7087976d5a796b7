using Microsoft.Extensions.Logging;
using Sheaf.Configuration;

namespace Sheaf.Commands;

/// <summary>What a run is given besides its plan.</summary>
/// <param name="Deadline">By when the run is over once its end has begun, by a signal or by itself.</param>
/// <param name="Live">The part of the plan that may change while it runs.</param>
/// <param name="ShowProgress">To be called once, when there is something to look at; what it is given is called from another thread, twice a second.</param>
internal sealed record RunContext(StopDeadline Deadline, LivePlan Live, ILoggerFactory Logs, TimeProvider Time, Action<Func<RunSnapshot>> ShowProgress);

/// <summary>Runs spans through to segments.</summary>
/// <param name="stop">Cancelled to ask for a clean stop, when the deadline has begun: what is claimed is finished, and the report is still made.</param>
/// <exception cref="SheafException">It could not even begin, so that there is nothing to report.</exception>
internal delegate Task<RunReport> RunSpans(ProcessSpansPlan plan, RunContext context, CancellationToken stop);

/// <summary>Asks for everything that a start needs outside of this process, and changes nothing.</summary>
internal delegate Task<IReadOnlyList<Finding>> CheckStart(ProcessSpansPlan plan, TimeProvider time, CancellationToken cancel);

/// <summary>What was found of one thing that a start needs.</summary>
/// <param name="Subject">The option that it belongs to, without dashes.</param>
/// <param name="Text">What it is like; what is wrong and what to do; or why it was not found out.</param>
internal readonly record struct Finding(string Subject, FindingKind Kind, string Text);

/// <summary>Whether a start could go on.</summary>
internal enum FindingKind
{
    Sound,
    Fault,

    /// <summary>Nothing answered in time.</summary>
    NotChecked,
}
