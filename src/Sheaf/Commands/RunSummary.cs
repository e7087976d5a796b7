using System.Globalization;
using System.Text;
using System.Text.Json;
using Sheaf.Segments;
using Sheaf.Telemetry;

namespace Sheaf.Commands;

/// <summary>Tells the end of a run, to people or to scripts.</summary>
internal static class RunSummary
{
    /// <summary>More rows than this are left out of the text, unless they do not add up.</summary>
    private const int MostRows = 32;

    /// <summary>A rate of less than this says how long the first block took, and not what the run can do.</summary>
    private static readonly TimeSpan s_shortestForRate = TimeSpan.FromSeconds(2);

    /// <summary>A column, and whether it is left out where it is 0 throughout: what only some engines know.</summary>
    private readonly record struct Column(string Name, Func<LedgerCounts, long> Of, bool IsLeftOutAtZero = false);

    // In the order of the equation: what came in, then where it went.
    private static readonly Column[] Sources = [new("received", c => c.Received), new("carried over", c => c.CarriedOver, true)];
    private static readonly Column[] Fates =
    [
        new("produced", c => c.Produced),
        new("buffered", c => c.Buffered),
        new("dead letters", c => c.DeadLetters),
        new("duplicates", c => c.Duplicates),
        new("dropped", c => c.Dropped),
        new("lost", c => c.Lost, true),
        new("handed over", c => c.HandedOver, true),
    ];

    /// <summary>Several lines, without a line feed at the end.</summary>
    public static string Text(RunReport report)
    {
        var text = new StringBuilder();
        double seconds = report.Elapsed.TotalSeconds;
        LedgerCounts total = report.Ledger.Total;
        long segments = report.Segments.Values.Sum();
        text.Append(CultureInfo.InvariantCulture, $"{Ended(report)} after {seconds:F1} s: {total.Received:N0} spans in ({ByteText.Of(report.BytesIn)}), {segments:N0} segments out ({ByteText.Of(report.BytesOut)})");
        if (report.Active >= s_shortestForRate)
        {
            double active = report.Active.TotalSeconds;
            text.Append(CultureInfo.InvariantCulture, $", {total.Received / active:N0} spans/s, {ByteText.Of(report.BytesIn / active)}/s");
        }
        text.Append("\n\n");
        Column[] sources = Shown(Sources, total), fates = Shown(Fates, total);
        AppendTable(text, report.Ledger, [.. sources, .. fates]);
        text.AppendJoin(" + ", sources.Select(c => c.Name)).Append(" = ").AppendJoin(" + ", fates.Select(c => c.Name)).Append(": ");
        text.Append(report.Ledger.AddsUp
            ? "the ledger adds up"
            : string.Create(CultureInfo.InvariantCulture, $"THE LEDGER DOES NOT ADD UP by {report.Ledger.Balance:N0}"));
        if (segments > 0)
        {
            text.Append("\nsegments by reason: ");
            text.AppendJoin(", ", report.Segments.Where(s => s.Value > 0).OrderBy(s => s.Key).Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Key.Name()} {s.Value:N0}")));
        }
        if (report.DeadLetterFile is { } file) text.Append("\ndead letters: ").Append(file);
        return text.ToString();
    }

    /// <summary>One line of JSON. Its keys are frozen: scripts read them.</summary>
    public static string Json(RunReport report, int exitCode)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("outcome", Name(report.Outcome));
            json.WriteString("reason", report.Reason);
            json.WriteNumber("exit_code", exitCode);
            json.WriteNumber("wall_seconds", Math.Round((decimal)report.Elapsed.TotalSeconds, 3));
            WriteCounts(json, report.Ledger.Total);
            json.WriteBoolean("adds_up", report.Ledger.AddsUp);
            json.WriteNumber("balance", report.Ledger.Balance);
            json.WriteNumber("segments", report.Segments.Values.Sum());
            json.WriteStartObject("segments_by_reason");
            foreach (FlushReason reason in Enum.GetValues<FlushReason>())
                json.WriteNumber(reason.Name(), report.Segments.GetValueOrDefault(reason));
            json.WriteEndObject();
            json.WriteNumber("bytes_in", report.BytesIn);
            json.WriteNumber("bytes_out", report.BytesOut);
            json.WriteString("dead_letter_file", report.DeadLetterFile);
            json.WriteStartArray("shards");
            foreach (ShardLedger row in report.Ledger.Shards)
            {
                json.WriteStartObject();
                if (row.Shard is { } shard)
                    json.WriteNumber("shard", shard.Value);
                else
                    json.WriteNull("shard");
                WriteCounts(json, row.Counts);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private static string Ended(RunReport report)
    {
        string how = report.Outcome switch
        {
            RunOutcome.Done => "Done",
            RunOutcome.Interrupted => "Interrupted",
            RunOutcome.Failed => "Failed",
            RunOutcome.DeadLetterLimit => "Stopped by dead letters",
            RunOutcome.NothingUsable => "Nothing was usable",
        };
        return report.Reason is { } reason ? $"{reason}\n{how}" : how;
    }

    private static Column[] Shown(Column[] columns, LedgerCounts total) => [.. columns.Where(c => !c.IsLeftOutAtZero || c.Of(total) != 0)];

    private static void AppendTable(StringBuilder text, Ledger ledger, Column[] columns)
    {
        List<string[]> rows = [["shard", .. columns.Select(c => c.Name)]];
        bool all = ledger.Shards.Count <= MostRows;
        foreach (ShardLedger row in ledger.Shards)
        {
            if (all || row.Counts.Balance != 0) rows.Add(Cells(row.Shard?.ToString() ?? "none", row.Counts, columns));
        }
        rows.Add(Cells("total", ledger.Total, columns));

        int[] widths = [.. rows[0].Select((_, column) => rows.Max(row => row[column].Length))];
        foreach (string[] row in rows)
        {
            text.Append(row[0].PadRight(widths[0]));
            for (int column = 1; column < row.Length; column++)
                text.Append("  ").Append(row[column].PadLeft(widths[column]));
            text.Append('\n');
        }
    }

    private static string[] Cells(string name, LedgerCounts counts, Column[] columns) =>
        [name, .. columns.Select(c => c.Of(counts).ToString("N0", CultureInfo.InvariantCulture))];

    private static void WriteCounts(Utf8JsonWriter json, LedgerCounts counts)
    {
        json.WriteNumber("received", counts.Received);
        json.WriteNumber("produced", counts.Produced);
        json.WriteNumber("buffered", counts.Buffered);
        json.WriteNumber("dead_letters", counts.DeadLetters);
        json.WriteNumber("duplicates", counts.Duplicates);
        json.WriteNumber("dropped", counts.Dropped);
        json.WriteNumber("carried_over", counts.CarriedOver);
        json.WriteNumber("lost", counts.Lost);
        json.WriteNumber("handed_over", counts.HandedOver);
    }

    /// <summary>Frozen: scripts read it.</summary>
    public static string Name(RunOutcome outcome) => outcome switch
    {
        RunOutcome.Done => "done",
        RunOutcome.Interrupted => "interrupted",
        RunOutcome.Failed => "failed",
        RunOutcome.DeadLetterLimit => "dead_letter_limit",
        RunOutcome.NothingUsable => "nothing_usable",
    };
}
