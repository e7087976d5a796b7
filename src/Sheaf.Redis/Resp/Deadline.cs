namespace Sheaf.Redis.Resp;

/// <summary>When an operation must be over: after its time-out, or when its caller cancels. Owner: that operation.</summary>
internal sealed class Deadline : IDisposable
{
    private readonly CancellationTokenSource _source;
    private readonly CancellationTokenRegistration _registration;
    private readonly CancellationToken _caller;
    private readonly TimeProvider _time;
    private readonly long _begun;

    public Deadline(TimeSpan timeout, TimeProvider time, CancellationToken caller)
    {
        Timeout = timeout;
        _time = time;
        _caller = caller;
        _begun = time.GetTimestamp();
        _source = new CancellationTokenSource(timeout, time);
        _registration = caller.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), _source);
    }

    /// <summary>Cancelled at the deadline.</summary>
    public CancellationToken Token => _source.Token;

    public TimeSpan Timeout { get; }

    /// <summary>Time that is left; never negative.</summary>
    public TimeSpan Left
    {
        get
        {
            TimeSpan left = Timeout - _time.GetElapsedTime(_begun);
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    public bool IsOver => Token.IsCancellationRequested || Left == TimeSpan.Zero;

    public bool IsCancelledByCaller => _caller.IsCancellationRequested;

    /// <exception cref="OperationCanceledException">The caller has cancelled.</exception>
    public void ThrowIfCancelledByCaller() => _caller.ThrowIfCancellationRequested();

    public void Dispose()
    {
        _registration.Dispose();
        _source.Dispose();
    }
}
