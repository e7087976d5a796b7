using System.CommandLine;
using Microsoft.Extensions.Logging;
using Sheaf.Configuration;

namespace Sheaf.Commands;

/// <summary><c>sheaf process-spans</c>: binds the options, runs, tells the end. What a run does is not its business.</summary>
internal static class ProcessSpansCommand
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
        using var provider = new LineLoggerProvider(host.Error, host.Time, () => live.Current.LogLevel);
        using var logs = new LoggerFactory([provider]);
        using var deadline = new StopDeadline(plan.ShutdownTimeout, host.Time);
        using var signals = new StopSignals(logs.CreateLogger("Sheaf.Commands"), host.Exit, deadline);
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

        if (failure is not null) host.Error.WriteLine(failure);
        if (report is not null) Tell(host.Error, plan.Summary, report, exitCode);
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
    };

    private static void Tell(ErrorConsole console, SummaryFormat format, RunReport report, int exitCode)
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
                if (report.Reason is { } reason) console.WriteLine(reason);
                break;
        }
    }
}
