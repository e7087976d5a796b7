using Microsoft.Extensions.Logging;
using Sheaf.Flushing;
using Sheaf.Telemetry;

namespace Sheaf.Supervision;

/// <summary>
/// Lets this process fail as planned. <see cref="Reach"/> is what the shipped path calls at its fault points; any thread, it counts over the process.
/// </summary>
internal sealed partial class ArmedFaultPoints
{
    /// <summary>Of a process that a fault point ended with <see cref="FaultAction.Exit"/>.</summary>
    public const int ExitCode = 70;

    private readonly FaultPlan _plan;
    private readonly Action<FaultAction, FaultPoint> _act;
    private readonly Random _chance;
    private readonly Lock _lock = new();
    private readonly int[] _reached = new int[Enum.GetValues<FaultPoint>().Length];

    /// <param name="seed">Of what is left to chance; the same seed gives the same faults.</param>
    /// <param name="act">What an action does; null: to this process, for real.</param>
    public ArmedFaultPoints(FaultPlan plan, int seed, Action<FaultAction, FaultPoint>? act = null)
    {
        _plan = plan;
        _act = act ?? Act;
        _chance = new Random(seed);
    }

    /// <summary>
    /// What to hand to the places that have fault points; null where nothing is armed, so that they have nothing to call. Says loudly when it is not:
    /// nobody shall wonder why a process dies.
    /// </summary>
    public static Action<FaultPoint>? Arm(FaultPlan plan, int seed, ILogger logger)
    {
        if (!plan.IsArmed) return null;
        Log.Armed(logger, plan, seed);
        return new ArmedFaultPoints(plan, seed).Reach;
    }

    /// <summary>The process has come to this point.</summary>
    public void Reach(FaultPoint point)
    {
        FaultAction? due = null;
        lock (_lock)
        {
            int count = ++_reached[(int)point];
            foreach (PlannedFault fault in _plan.Faults)
                if (fault.Point == point && (fault.Nth == count || (fault.Nth == 0 && _chance.NextDouble() < fault.Chance))) due ??= fault.Action;
        }
        if (due is { } action) _act(action, point);
    }

    private static void Act(FaultAction action, FaultPoint point)
    {
        switch (action)
        {
            case FaultAction.Kill:
                OwnProcess.Kill();
                break;
            case FaultAction.Stop:
                OwnProcess.Stop();
                break;
            case FaultAction.Exit:
                OwnProcess.ExitAtOnce(ExitCode);
                break;
            case FaultAction.Throw:
                throw new InvalidOperationException($"The fault point {point} is armed to throw.");
        }
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.FaultPointsArmed, LogLevel.Warning, "Fault points are armed, this process will fail on purpose: {Plan} (seed {Seed})")]
        public static partial void Armed(ILogger logger, FaultPlan plan, int seed);
    }
}
