using Microsoft.Extensions.Logging;
using Sheaf.Files;
using Sheaf.Telemetry;

namespace Sheaf.Configuration;

/// <summary>
/// Reads the configuration file again while a run goes on, and swaps the reloadable plan when it has changed. A faulty file changes
/// nothing: each fault is logged and the old values stay.
/// </summary>
/// <remarks>
/// It compares the content once a second. Notifications of the file system miss what matters here: a mounted config map changes by a
/// link two folders up, editors replace files, network shares tell nobody.
/// Owner: the command that runs. Any thread.
/// </remarks>
internal sealed partial class ConfigurationWatcher(ConfigurationSources sources, EffectiveOptions started, LivePlan live, ILogger log)
{
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();

    // Not what was read at the start: the first look also sees what changed between the start and the watch.
    private byte[]? _content = [];
    private EffectiveOptions? _last;

    /// <summary>Looks until it is cancelled.</summary>
    public async Task RunAsync(TimeProvider time, CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
                Look();
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>Reads the file, and applies it if it is not what it was.</summary>
    public void Look()
    {
        lock (_lock)
        {
            if (File.Exists(sources.FilePath) && !FilePlace.IsRegularFile(sources.FilePath)) return; // what a pipe had to say was said at the start
            byte[]? content = TryReadFile(sources.FilePath!);
            if (content is null ? _content is null : _content is not null && content.AsSpan().SequenceEqual(_content)) return;
            Apply(content);
        }
    }

    /// <summary>Reads the file because somebody asks for it, and says that it did, whether anything has changed or not.</summary>
    public void LookAsAsked()
    {
        lock (_lock)
        {
            if (File.Exists(sources.FilePath) && !FilePlace.IsRegularFile(sources.FilePath)) return; // what a pipe had to say was said at the start
            Log.ReadAgain(log, sources.FilePath!);
            Apply(TryReadFile(sources.FilePath!));
        }
    }

    private void Apply(byte[]? content)
    {
        string path = sources.FilePath!;
        _content = content;

        EffectiveOptions read = sources.Lay(content is null ? FileLayer.ReadFile(path) : FileLayer.Read(path, content));
        IReadOnlyList<ConfigurationFault> faults = PlanBinder.Check(read);
        if (faults.Count > 0)
        {
            foreach (ConfigurationFault fault in faults)
                Log.Faulty(log, path, fault.ToString());
            return;
        }
        live.Current = PlanBinder.BindReloadable(read); // first: what the log says holds already
        foreach (OptionSpec option in OptionTable.All)
        {
            string? before = (_last ?? started).Find(option)?.Text;
            string? after = read.Find(option)?.Text;
            if (before == after) continue;
            string? running = started.Find(option)?.Text;
            if (option.Reloadable)
                Log.Reloaded(log, option.Name, option.Shown(before ?? ""), option.Shown(after ?? ""));
            else if (after != running)
                Log.NeedsRestart(log, option.Name, option.Shown(running ?? ""), option.Shown(after ?? ""));
        }
        _last = read;
    }

    private static byte[]? TryReadFile(string path)
    {
        try
        {
            return FileLayer.ReadContent(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.ConfigurationReloaded, LogLevel.Information, "{Option} is now '{After}'; it was '{Before}'")]
        public static partial void Reloaded(ILogger log, string option, string before, string after);

        [LoggerMessage(EventIds.ConfigurationReadAgain, LogLevel.Information, "SIGHUP: {Path} is read again; what has changed is told, and what has not stays. The run goes on")]
        public static partial void ReadAgain(ILogger log, string path);

        [LoggerMessage(EventIds.ConfigurationFaulty, LogLevel.Error, "{Path} has a fault and is not used; the old values stay. {Fault}")]
        public static partial void Faulty(ILogger log, string path, string fault);

        [LoggerMessage(EventIds.ConfigurationNeedsRestart, LogLevel.Warning, "{Option} has changed to '{After}', which takes effect at the next start; it is still '{Running}'")]
        public static partial void NeedsRestart(ILogger log, string option, string running, string after);
    }
}
