using System.Diagnostics.Metrics;
using Sheaf.Telemetry;

namespace Sheaf.TestKit;

/// <summary>A value as an exporter gets it.</summary>
/// <param name="Tags">Sorted by key.</param>
public sealed record RecordedMetric(string Name, IReadOnlyDictionary<string, string> Tags, double Value);

/// <summary>Listens to one <see cref="SheafMetrics"/> from the moment it is made, as an exporter does. Any thread.</summary>
public sealed class MetricRecorder : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly Lock _lock = new();
    private List<RecordedMetric> _recorded = [];

    public MetricRecorder(SheafMetrics metrics)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (ReferenceEquals(instrument.Meter, metrics.Meter)) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>What was recorded since the last call, and what the observables say now.</summary>
    public IReadOnlyList<RecordedMetric> Collect()
    {
        _listener.RecordObservableInstruments();
        lock (_lock)
        {
            List<RecordedMetric> recorded = _recorded;
            _recorded = [];
            return recorded;
        }
    }

    public void Dispose() => _listener.Dispose();

    private void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var sorted = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach ((string key, object? tag) in tags) sorted.Add(key, (string)tag!);
        lock (_lock) _recorded.Add(new RecordedMetric(instrument.Name, sorted, value));
    }
}
