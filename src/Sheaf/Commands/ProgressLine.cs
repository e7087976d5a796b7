using System.Globalization;

namespace Sheaf.Commands;

/// <summary>Shows how a run is getting on, twice a second. Owner: one task.</summary>
internal sealed class ProgressLine(ErrorConsole console, TimeProvider time, Func<RunSnapshot> look)
{
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private const string Gap = "  ";

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
        console.ShowStatus(Render(now, _before, time.GetElapsedTime(_beforeAt, at), time.GetElapsedTime(_start, at), console.Room));
        _before = now;
        _beforeAt = at;
    }

    /// <summary>
    /// The line, whole: state and rate first. Where it does not fit, its parts are said in fewer letters; where that does not fit either, the last ones are left out.
    /// </summary>
    /// <param name="step">Since <paramref name="before"/>.</param>
    /// <param name="elapsed">Since the start.</param>
    /// <param name="room">Columns that it may take.</param>
    public static string Render(RunSnapshot now, RunSnapshot before, TimeSpan step, TimeSpan elapsed, int room)
    {
        double perSecond = step > TimeSpan.Zero ? (now.Counts.Received - before.Counts.Received) / step.TotalSeconds : 0;
        List<(string Long, string Short)> parts = [];
        if (now.Pauses != Ingesting.PauseReasons.None) parts.Add(($"paused: {PauseText.Long(now.Pauses)}", $"paused: {PauseText.Short(now.Pauses)}"));
        parts.Add((Number($"{perSecond:N0} spans/s"), $"{CountText.Of(perSecond)}/s"));
        parts.Add((Number($"buffered {now.Counts.Buffered:N0} ({ByteText.Of(now.BufferedBytes)})"), $"buffered {CountText.Of(now.Counts.Buffered)}"));
        parts.Add((Number($"lag {now.Lag.TotalSeconds:F1} s"), $"lag {TimeText(now.Lag)}"));
        if (now.Unread is { } unread) parts.Add((Number($"unread {unread:N0}"), $"unread {CountText.Of(unread)}"));
        if (now.Counts.DeadLetters > 0) parts.Add((Number($"dead letters {now.Counts.DeadLetters:N0}"), $"dead {CountText.Of(now.Counts.DeadLetters)}"));
        parts.Add((Number($"received {now.Counts.Received:N0}"), $"in {CountText.Of(now.Counts.Received)}"));
        parts.Add((Number($"segments {now.Segments:N0}"), $"out {CountText.Of(now.Segments)}"));
        parts.Add((Number($"{elapsed.TotalSeconds:F1} s"), TimeText(elapsed)));

        string line = string.Join(Gap, parts.Select(part => part.Long));
        for (int shown = parts.Count; line.Length > room && shown >= 0; shown--) line = string.Join(Gap, parts.Take(shown).Select(part => part.Short));
        return line;
    }

    private static string Number(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string TimeText(TimeSpan time) => time switch
    {
        { TotalMinutes: < 1 } => Number($"{time.TotalSeconds:F0}s"),
        { TotalHours: < 1 } => Number($"{time.TotalMinutes:F0}m"),
        { TotalDays: < 1 } => Number($"{time.TotalHours:F0}h"),
        _ => Number($"{time.TotalDays:F0}d"),
    };
}
