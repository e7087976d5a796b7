using System.Net.Sockets;

namespace Sheaf.Redis.Resp;

/// <summary>Opens one more connection to wherever the node is now.</summary>
internal delegate ValueTask<RespConnection> OpenConnection(int epoch, CancellationToken cancel);

/// <summary>Why there is no connection just now.</summary>
internal sealed record Unreachable(string Reason, TimeSpan RetryAfter, Exception? Cause);

/// <summary>A connection, or why there is none. Nothing was sent.</summary>
internal readonly record struct Rental(RespConnection? Connection, Unreachable? Why);

/// <summary>
/// The connections to one node. Thread-safe. Each is with one renter at a time; idle ones wait here, the last used in front. One connection is opened
/// at a time, and a node that cannot be reached is tried again after growing waits, however many callers want it.
/// </summary>
internal sealed class NodePool(string name, OpenConnection open, RedisClientOptions options) : IDisposable
{
    private const int MaxIdle = 16;

    private readonly Lock _lock = new();
    private readonly Stack<RespConnection> _idle = new();
    private readonly SemaphoreSlim _opening = new(1, 1);
    private Backoff _backoff;
    private Unreachable? _failure;
    private long _failedAt;
    private int _epoch;
    private bool _isClosed;

    /// <summary>A connection that is open and greeted.</summary>
    /// <exception cref="RedisRefusedException">Turned away for good.</exception>
    /// <exception cref="OperationCanceledException">The deadline has passed.</exception>
    public ValueTask<Rental> RentAsync(Deadline deadline) =>
        TakeIdle() is { } connection ? new ValueTask<Rental>(new Rental(connection, null)) : OpenAsync(deadline);

    /// <summary>The connection may be used by others. A faulty one is disposed of instead.</summary>
    public void Return(RespConnection connection)
    {
        lock (_lock)
        {
            if (!_isClosed && connection.Epoch == _epoch && _idle.Count < MaxIdle)
            {
                _idle.Push(connection);
                return;
            }
        }
        connection.Dispose();
    }

    /// <summary>No connection opened until now is used again: the node was lost, or is not what it was.</summary>
    public void Expire()
    {
        RespConnection[] idle;
        lock (_lock)
        {
            _epoch++;
            idle = [.. _idle];
            _idle.Clear();
        }
        foreach (RespConnection connection in idle) connection.Dispose();
    }

    /// <summary>The node has left. Connections that are rented are closed when they come back.</summary>
    public void Dispose()
    {
        lock (_lock) _isClosed = true;
        Expire();
    }

    private RespConnection? TakeIdle()
    {
        while (true)
        {
            RespConnection? connection;
            lock (_lock)
            {
                if (!_idle.TryPop(out connection)) return null;
            }
            if (connection.IsQuiet()) return connection;
            connection.Dispose();
        }
    }

    private async ValueTask<Rental> OpenAsync(Deadline deadline)
    {
        await _opening.WaitAsync(deadline.Token);
        try
        {
            if (TakeIdle() is { } returned) return new Rental(returned, null);
            int epoch;
            lock (_lock)
            {
                if (_isClosed) return new Rental(null, new Unreachable($"{name} has left the cluster", _backoff.Next(), null));
                epoch = _epoch;
            }
            if (_failure is { } last)
            {
                TimeSpan wait = last.RetryAfter - options.Time.GetElapsedTime(_failedAt);
                if (wait > TimeSpan.Zero) return new Rental(null, last with { RetryAfter = wait });
            }
            return await OpenAsync(epoch, deadline);
        }
        finally
        {
            _opening.Release();
        }
    }

    private async ValueTask<Rental> OpenAsync(int epoch, Deadline deadline)
    {
        using var limit = new Deadline(options.ConnectTimeout, options.Time, deadline.Token);
        string reason;
        Exception cause;
        try
        {
            RespConnection connection = await open(epoch, limit.Token);
            _failure = null;
            _backoff.Reset();
            return new Rental(connection, null);
        }
        catch (Exception e) when (e is SocketException or IOException or RespProtocolException or RedisUnavailableException)
        {
            reason = e.Message;
            cause = e;
        }
        catch (OperationCanceledException e) when (!deadline.Token.IsCancellationRequested)
        {
            reason = $"not connected within {options.ConnectTimeout.TotalSeconds:0.###} s";
            cause = e;
        }
        _failedAt = options.Time.GetTimestamp();
        _failure = new Unreachable($"{name}: {reason}", _backoff.Next(), cause);
        return new Rental(null, _failure);
    }
}
