using Sheaf.Configuration;
using Sheaf.Files;
using Sheaf.Flushing;

namespace Sheaf;

/// <summary>
/// The output of one run. Workers that are threads share what is open here; worker processes open it for themselves, and here it is only prepared and brought to its end.
/// Owner: the run.
/// </summary>
internal sealed class RunOutput : IAsyncDisposable
{
    private readonly JsonLinesSink? _sink;
    private readonly SharedOutputFile? _shared;

    private RunOutput(JsonLinesSink? sink, SharedOutputFile? shared)
    {
        _sink = sink;
        _shared = shared;
    }

    /// <exception cref="ConfigurationException">It cannot be opened or shared, or must not be overwritten.</exception>
    public static async ValueTask<RunOutput> OpenAsync(ProcessSpansPlan plan, ControlBlock control, TimeProvider time, CancellationToken cancel)
    {
        ExistingContent existing = plan.EarlierRun == EarlierRun.Resume ? ExistingContent.Resume : plan.Overwrite ? ExistingContent.Overwrite : ExistingContent.Refuse;
        if (plan.Isolation == FlusherIsolation.Thread) return new RunOutput(await JsonLinesSink.OpenAsync(plan.Output, existing, plan.WithHeaders, cancel), shared: null);
        SharedOutputFile.Prepare(plan.Output, existing, control);
        return new RunOutput(sink: null, SharedOutputFile.Open(plan.Output, control, time));
    }

    /// <summary>For a worker that is a thread.</summary>
    public JsonLinesClient CreateClient() => _sink?.CreateClient() ?? throw new InvalidOperationException("worker processes open the output for themselves");

    /// <summary>Brings it to the disk, whole. After the last worker has ended.</summary>
    /// <exception cref="SinkException">It could not.</exception>
    public async ValueTask FinishAsync()
    {
        if (_shared is not null) await _shared.FinishAsync(CancellationToken.None);
        if (_sink is not null) await _sink.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _shared?.Dispose();
        if (_sink is not null) await _sink.DisposeAsync();
    }
}
