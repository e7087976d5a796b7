using System.Collections.Immutable;
using System.Globalization;
using Sheaf.Flushing;

namespace Sheaf.Supervision;

/// <summary>What a process does to itself at a fault point.</summary>
internal enum FaultAction
{
    /// <summary>SIGKILL.</summary>
    Kill,

    /// <summary>SIGSTOP.</summary>
    Stop,

    /// <summary>Ends at once with <see cref="ArmedFaultPoints.ExitCode"/>.</summary>
    Exit,

    /// <summary>An exception that nobody expects.</summary>
    Throw,
}

/// <summary>One armed fault point.</summary>
/// <param name="Nth">The time, counted over the process from 1, at which it happens; 0 where chance decides.</param>
/// <param name="InEveryLife">Also in workers that replace another one.</param>
/// <param name="Chance">Probability each time; 0 where counting decides.</param>
internal readonly record struct PlannedFault(FaultPoint Point, FaultAction Action, int Nth, bool InEveryLife, double Chance)
{
    /// <summary>As it is written: <c>AfterClaim=kill@3</c>.</summary>
    public override string ToString() => Nth > 0
        ? string.Create(CultureInfo.InvariantCulture, $"{Point}={FaultPlan.NameOf(Action)}@{Nth}{(InEveryLife ? "*" : "")}")
        : string.Create(CultureInfo.InvariantCulture, $"{Point}={FaultPlan.NameOf(Action)}~{Chance}");
}

/// <summary>
/// <c>SHEAF_FAULT_POINTS</c>: where processes are to fail, for tests of what then happens. Parts joined by commas: <c>POINT=ACTION@N</c>, at the nth
/// time that a process reaches the point; <c>@N*</c>, the same in workers that replace another one, too; <c>POINT=ACTION~P</c>, with this probability
/// each time, in every worker. Immutable.
/// </summary>
/// <remarks>Only the first life of a worker has the points of <c>@N</c>: else it would fail at every restart, and no test would see the recovery.</remarks>
internal sealed class FaultPlan
{
    public const string VariableName = "SHEAF_FAULT_POINTS";

    private FaultPlan(ImmutableArray<PlannedFault> faults) => Faults = faults;

    public static FaultPlan None { get; } = new([]);

    public ImmutableArray<PlannedFault> Faults { get; }

    public bool IsArmed => Faults.Length > 0;

    /// <summary>The plan of the variable's text; null or empty: none.</summary>
    /// <exception cref="ConfigurationException">It does not say what it should; every fault of it is in the message.</exception>
    public static FaultPlan Parse(string? text)
    {
        if (string.IsNullOrEmpty(text)) return None;
        var faults = ImmutableArray.CreateBuilder<PlannedFault>();
        var wrong = new List<string>();
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            if (ParsePart(part, out PlannedFault fault) is { } reason) wrong.Add($"'{part}': {reason}");
            else faults.Add(fault);
        }
        if (wrong.Count > 0) throw new ConfigurationException($"{VariableName}: {string.Join("; ", wrong)}");
        return new FaultPlan(faults.ToImmutable());
    }

    /// <summary>What of it holds for a worker that replaces another one.</summary>
    public FaultPlan ForReplacement() => new([.. Faults.Where(fault => fault.InEveryLife || fault.Nth == 0)]);

    /// <summary>As <see cref="Parse"/> reads it.</summary>
    public override string ToString() => string.Join(',', Faults);

    public static string NameOf(FaultAction action) => action switch
    {
        FaultAction.Kill => "kill",
        FaultAction.Stop => "stop",
        FaultAction.Exit => "exit",
        FaultAction.Throw => "throw",
    };

    private static string? ParsePart(string part, out PlannedFault fault)
    {
        fault = default;
        int equals = part.IndexOf('=', StringComparison.Ordinal);
        int when = part.IndexOfAny(['@', '~'], equals + 1);
        if (equals < 0 || when < 0) return "it is not of the form POINT=ACTION@N, POINT=ACTION@N* or POINT=ACTION~P";

        string name = part[..equals], verb = part[(equals + 1)..when], count = part[(when + 1)..];
        if (!Enum.GetNames<FaultPoint>().Contains(name)) return $"there is no fault point '{name}'; there are {string.Join(", ", Enum.GetNames<FaultPoint>())}";
        FaultPoint point = Enum.Parse<FaultPoint>(name);
        FaultAction[] actions = [.. Enum.GetValues<FaultAction>().Where(a => NameOf(a) == verb)];
        if (actions.Length == 0) return $"there is no action '{verb}'; there are {string.Join(", ", Enum.GetValues<FaultAction>().Select(NameOf))}";

        if (part[when] == '~')
        {
            if (!double.TryParse(count, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double chance) || chance is not (> 0 and <= 1))
                return $"'{count}' is not a probability above 0, at most 1";
            fault = new PlannedFault(point, actions[0], Nth: 0, InEveryLife: true, chance);
            return null;
        }
        bool inEveryLife = count.EndsWith('*');
        if (!int.TryParse(inEveryLife ? count[..^1] : count, NumberStyles.None, CultureInfo.InvariantCulture, out int nth) || nth < 1)
            return $"'{count}' is not a number from 1, with or without a * behind it";
        fault = new PlannedFault(point, actions[0], nth, inEveryLife, Chance: 0);
        return null;
    }
}
