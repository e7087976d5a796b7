using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Sheaf.Configuration;
using Sheaf.Telemetry;

namespace Sheaf.Commands;

/// <summary><c>sheaf process-spans</c>: binds the options, runs, tells the end. What a run does is not its business.</summary>
internal static partial class ProcessSpansCommand
{
    public const string Name = "process-spans";

    public static Command Create(CommandHost host, RunSpans run)
    {
        var command = new Command(Name, "Assemble spans into segments: JSON lines in, one message per segment out.");
        var options = new CommandLineLayer(command, OptionTable.All);
        command.SetAction((parsed, _) => InvokeAsync(host, run, options.Read(parsed)));
        return command;
    }

    private static async Task<int> InvokeAsync(CommandHost host, RunSpans run, ConfigurationLayer commandLine)
    {
        ConfigurationSources sources = ConfigurationSources.Of(host.Machine, commandLine, host.Variables);
        EffectiveOptions options = sources.Read();
        foreach (string word in options.PassedOver) host.Error.WriteLine("sheaf: " + word);
        if (PlanBinder.Bind(options, out IReadOnlyList<ConfigurationFault> faults) is not { } plan) return host.Refuse(faults);

        var live = new LivePlan(plan.Reloadable);
        using var provider = new LineLoggerProvider(host.Error, host.Time, () => live.Current.LogLevel, plan.LogFormat);
        using var logs = new LoggerFactory([provider]);
        ILogger logger = logs.CreateLogger("Sheaf.Commands");
        Log.Starting(
            logger, Version, RuntimeInformation.FrameworkDescription, RuntimeInformation.RuntimeIdentifier, host.Machine.Cores,
            ByteText.Of(host.Machine.MemoryBytes), GivenOptions(options));
        using var deadline = new StopDeadline(plan.ShutdownTimeout, host.Time);
        using var signals = new StopSignals(logger, host.Exit, deadline);
        signals.Register();

        using var done = new CancellationTokenSource();
        ConfigurationWatcher? watcher = plan.ConfigPath is null ? null : new ConfigurationWatcher(sources, options, live, logs.CreateLogger("Sheaf.Configuration"));
        Task watching = watcher?.RunAsync(host.Time, done.Token) ?? Task.CompletedTask;
        using var reload = new ReloadSignal(watcher, logs.CreateLogger("Sheaf.Commands"));
        reload.Register();
        Task showing = Task.CompletedTask;
        void ShowProgress(Func<RunSnapshot> look)
        {
            bool wanted = plan.Progress == ProgressMode.Always || (plan.Progress == ProgressMode.Auto && host.Error.IsTerminal);
            if (wanted) showing = new ProgressLine(host.Error, host.Time, look).RunAsync(done.Token);
        }

        RunReport? report = null;
        int exitCode = ExitCode.Failed;
        string? failure = null;
        try
        {
            report = Checked(await run(plan, new RunContext(deadline, live, logs, host.Time, ShowProgress), signals.Stopping));
            exitCode = ExitCodeOf(report, signals);
        }
        catch (ConfigurationException e)
        {
            failure = e.Faults.Count == 1 ? "sheaf: " + e.Message
                : string.Join('\n', [$"sheaf: {e.Faults.Count} things stand in the way of a start; nothing was started", .. e.Faults.Select(fault => "  " + fault)]);
            exitCode = ExitCode.Configuration;
        }
        catch (SheafException e)
        {
            failure = "sheaf: " + e.Message;
        }
        catch (Exception e)
        {
            // Not one of ours: a bug, and the trace is what its report needs.
            failure = $"sheaf: unexpected fault, please report it: {e}";
        }
        await done.CancelAsync();
        await watching;
        await showing;

        if (failure is not null && plan.LogFormat == LogFormat.Json) Log.Failed(logger, exitCode, failure);
        else if (failure is not null) host.Error.WriteLine(failure);
        if (report is not null) Tell(logger, report, exitCode);
        if (report is not null) Tell(host.Error, plan.Summary, report, exitCode, isLogged: logger.IsEnabled(LevelOf(report)));
        return exitCode;
    }

    /// <summary>A run whose ledger does not add up is never a success.</summary>
    private static RunReport Checked(RunReport report)
    {
        if (report.Ledger.AddsUp) return report;
        string fault = $"the ledger does not add up by {report.Ledger.Balance} spans: that is a fault of Sheaf; please report it with the summary and the log";
        return report with
        {
            Outcome = report.Outcome == RunOutcome.Done ? RunOutcome.Failed : report.Outcome,
            Reason = report.Reason is { } reason ? $"{reason}. Besides, {fault}" : fault,
        };
    }

    private static int ExitCodeOf(RunReport report, StopSignals signals) => report.Outcome switch
    {
        RunOutcome.Done => ExitCode.Done,
        RunOutcome.Interrupted => signals.ExitCode ?? ExitCode.Interrupted,
        RunOutcome.Failed => ExitCode.Failed,
        RunOutcome.DeadLetterLimit => ExitCode.DeadLetters,
        RunOutcome.NothingUsable => ExitCode.NothingUsable,
    };

    private static string Version { get; } =
        typeof(ProcessSpansCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "of no version";

    /// <summary>Options that are not as they are by default, and where they are from; without secrets.</summary>
    private static string GivenOptions(EffectiveOptions options)
    {
        string[] given =
        [
            .. OptionTable.All
                .Select(option => (Option: option, Value: options.Find(option)))
                .Where(given => given.Value is { } value && value.Source != OptionSource.Default)
                .Select(given => $"{given.Option.Name}={Cut(given.Option.Shown(given.Value!.Text))} ({given.Value.Source})"),
        ];
        return given.Length == 0 ? "none" : string.Join(", ", given);

        // A list may hold thousands of ids.
        static string Cut(string text) => text.Length > 200 ? text[..200] + "…" : text;
    }

    private static LogLevel LevelOf(RunReport report) =>
        report.Outcome is RunOutcome.Done or RunOutcome.Interrupted && report.Ledger.AddsUp ? LogLevel.Information : LogLevel.Error;

    private static void Tell(ILogger logger, RunReport report, int exitCode)
    {
        LogLevel level = LevelOf(report);
        if (!logger.IsEnabled(level)) return;
        double seconds = Math.Round(report.Elapsed.TotalSeconds, 1);
        long segments = report.Segments.Values.Sum();
        string ledger = RunLog.LedgerText(report.Ledger.Total), balance = report.Ledger.AddsUp ? "adds up" : $"is off by {report.Ledger.Balance}";
        string outcome = RunSummary.Name(report.Outcome), reason = report.Reason ?? "none";
        Log.Ended(logger, level, outcome, exitCode, seconds, segments, ledger, balance, reason);
    }

    /// <param name="isLogged">The log has told why it failed.</param>
    private static void Tell(ErrorConsole console, SummaryFormat format, RunReport report, int exitCode, bool isLogged)
    {
        switch (format)
        {
            case SummaryFormat.Text:
                console.WriteLine(RunSummary.Text(report));
                break;
            case SummaryFormat.Json:
                console.WriteLine(RunSummary.Json(report, exitCode));
                break;
            case SummaryFormat.None:
                // Why it failed is never left out.
                if (report.Reason is { } reason && !isLogged) console.WriteLine(reason);
                break;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.RunStarting, LogLevel.Information,
            "sheaf {Version} starts, on {Runtime} ({Platform}), {Cores} cores, {Memory} of memory. Options that are not as by default: {Options}")]
        public static partial void Starting(ILogger logger, string version, string runtime, string platform, int cores, string memory, string options);

        [LoggerMessage(EventId = EventIds.RunEnded,
            Message = "The run has ended: {Outcome}, exit code {ExitCode}, after {Seconds} s, {Segments} segments; {Ledger}; the ledger {Balance}; reason: {Reason}")]
        public static partial void Ended(
            ILogger logger, LogLevel level, string outcome, int exitCode, double seconds, long segments, string ledger, string balance, string reason);

        [LoggerMessage(EventIds.RunFailed, LogLevel.Error, "{Failure} (exit code {ExitCode})")]
        public static partial void Failed(ILogger logger, int exitCode, string failure);
    }
}
