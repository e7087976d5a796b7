using System.Globalization;

namespace Sheaf.Commands;

/// <summary>Shows how a run is getting on, twice a second. Owner: one task.</summary>
internal sealed class ProgressLine(ErrorConsole console, TimeProvider time, Func<RunSnapshot> look)
{
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly long _start = time.GetTimestamp();
    private RunSnapshot _before = new();
    private long _beforeAt = time.GetTimestamp();

    /// <summary>Shows it until it is cancelled, then takes it away.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
                Show();
        }
        catch (OperationCanceledException)
        {
        }
        console.ClearStatus();
    }

    /// <summary>Shows it once.</summary>
    public void Show()
    {
        RunSnapshot now = look();
        long at = time.GetTimestamp();
        console.ShowStatus(Render(now, _before, time.GetElapsedTime(_beforeAt, at), time.GetElapsedTime(_start, at)));
        _before = now;
        _beforeAt = at;
    }

    /// <param name="step">Since <paramref name="before"/>.</param>
    /// <param name="elapsed">Since the start.</param>
    public static string Render(RunSnapshot now, RunSnapshot before, TimeSpan step, TimeSpan elapsed)
    {
        double perSecond = step > TimeSpan.Zero ? (now.Counts.Received - before.Counts.Received) / step.TotalSeconds : 0;
        string line = string.Create(
            CultureInfo.InvariantCulture,
            $"{elapsed.TotalSeconds:F1} s  {perSecond:N0} spans/s  received {now.Counts.Received:N0}  buffered {now.Counts.Buffered:N0} ({ByteText.Of(now.BufferedBytes)})  segments {now.Segments:N0}  lag {now.Lag.TotalSeconds:F1} s");
        if (now.Counts.DeadLetters > 0) line += string.Create(CultureInfo.InvariantCulture, $"  dead letters {now.Counts.DeadLetters:N0}");
        return now.PausedBecause.Count == 0 ? line : $"{line}  paused: {string.Join(", ", now.PausedBecause)}";
    }
}
