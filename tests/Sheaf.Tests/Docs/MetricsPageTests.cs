using System.Diagnostics.Metrics;
using Sheaf.Buffering;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.TestKit;
using Sheaf.Telemetry;

namespace Sheaf.Tests.Docs;

public class MetricsPageTests
{
    [Fact]
    public void The_page_lists_every_instrument_with_kind_unit_and_meaning_and_no_other()
    {
        using var metrics = new SheafMetrics();
        string[] rows = [.. Instruments(metrics).Select(i => $"| `{i.Name}` | {Kind(i)} | {i.Unit} | {i.Description} |").Order(StringComparer.Ordinal)];
        string page = File.ReadAllText(Path.Combine(RepositoryFiles.Root, "docs", "metrics.md"));
        string[] documented = [.. page.Split('\n').Where(l => l.StartsWith("| `", StringComparison.Ordinal)).Select(WithoutTags).Order(StringComparer.Ordinal)];
        Assert.Equal(rows, documented);
    }

    [Fact]
    public void Every_name_is_used_by_an_instrument()
    {
        using var metrics = new SheafMetrics();
        string[] names = [.. typeof(SheafMetrics.Names).GetFields().Select(f => (string)f.GetRawConstantValue()!).Order(StringComparer.Ordinal)];
        Assert.Equal(names, Instruments(metrics).Select(i => i.Name).Order(StringComparer.Ordinal));
    }

    private static List<Instrument> Instruments(SheafMetrics metrics)
    {
        var instruments = new List<Instrument>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (ReferenceEquals(instrument.Meter, metrics.Meter)) instruments.Add(instrument);
        };
        listener.Start();
        metrics.Observe(new IngestCounters(1), new ControlBlock(1, 1), _ => new BufferDepth(0, 0, 0, 0), () => 0);
        metrics.ObserveProgress(() => 0);
        return instruments;
    }

    private static string Kind(Instrument instrument) => instrument switch
    {
        Counter<long> or ObservableCounter<long> => "counter",
        ObservableGauge<long> or ObservableGauge<double> => "gauge",
        Histogram<long> or Histogram<double> => "histogram",
        _ => throw new InvalidOperationException($"{instrument.Name}: a kind the page does not know"),
    };

    private static string WithoutTags(string row)
    {
        string[] cells = row.Trim('|', ' ').Split(" | ");
        return $"| {cells[0]} | {cells[1]} | {cells[2]} | {cells[^1].Trim()} |";
    }
}
