using System.Text;
using Sheaf.Commands;
using Sheaf.Configuration;
using Sheaf.Segments;
using Sheaf.Telemetry;

namespace Sheaf.Tests.Commands;

/// <summary>A process for commands that is none: its streams, its variables, its machine, and a run that only notes its plan.</summary>
internal sealed class TestHost
{
    private readonly StringBuilder _out = new();
    private readonly StringBuilder _error = new();

    public static Machine Machine { get; } = new(Cores: 6, MemoryBytes: 8L << 30);

    public static RunReport Report { get; } = new()
    {
        Outcome = RunOutcome.Done,
        Ledger = new Ledger([]),
        Segments = new Dictionary<FlushReason, long>(),
        Elapsed = TimeSpan.FromSeconds(2),
        BytesIn = 0,
        BytesOut = 0,
    };

    /// <summary>What it runs on.</summary>
    public Machine Own { get; set; } = Machine;

    public Dictionary<string, string> Variables { get; } = [];

    public ProcessSpansPlan? Plan { get; private set; }

    public Func<RunContext, RunReport> Run { get; set; } = _ => Report;

    /// <summary>What <c>config check</c> finds outside of the process.</summary>
    public IReadOnlyList<Finding> Found { get; set; } = [];

    public string Out => _out.ToString();

    public string Error => _error.ToString();

    /// <summary>What was written to standard output as bytes.</summary>
    public MemoryStream OutBytes { get; } = new();

    public CommandHost Host => new(new StringWriter(_out), new ErrorConsole(new StringWriter(_error), isTerminal: false, () => 80), Variables, Own, TimeProvider.System, _ => { })
    {
        OpenOut = () => OutBytes,
    };

    public Task<int> RunAsync(params string[] words) => SheafCommand.RunAsync(
        words, Host, (plan, context, _) =>
        {
            Plan = plan;
            return Task.FromResult(Run(context));
        },
        (plan, _, _) =>
        {
            Plan = plan;
            return Task.FromResult(Found);
        });

    /// <summary>Runs process-spans with an input and an output that raise no fault.</summary>
    public Task<int> ProcessSpansAsync(params string[] words) => RunAsync(["process-spans", "--input", "-", "--output", "-", .. words]);
}
