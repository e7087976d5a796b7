namespace Sheaf.Redis.Resp;

/// <summary>
/// A client of one server, of a Sentinel service, or of a cluster. Thread-safe: each call has a batch of its own and, per node, a connection of its own
/// while it runs. A connection on which anything went wrong is closed, never used again.
/// </summary>
/// <remarks>
/// Connections are opened when they are needed. A node that cannot be reached is tried again after growing waits until the operation's time-out is over,
/// as long as nothing of the commands was sent. What was sent and not answered is never repeated here: the caller knows whether it may.
/// </remarks>
public abstract class RedisClient : IAsyncDisposable
{
    private readonly RespBatch _scripts = new();
    private readonly TlsCredentials? _tls;
    private int _disposed;

    private protected RedisClient(RedisAddress address, RedisClientOptions options, TlsCredentials? tls)
    {
        Address = address;
        Options = options;
        _tls = tls;
        Handshake.WriteScripts(_scripts, options.Scripts);
    }

    public RedisAddress Address { get; }

    public RedisClientOptions Options { get; }

    public abstract bool IsCluster { get; }

    /// <summary>The primaries as far as known now; one for a standalone server.</summary>
    public abstract IReadOnlyList<RedisNode> Primaries { get; }

    /// <summary>Connects: one attempt per address.</summary>
    /// <exception cref="RedisUnavailableException">No server answers; try again later.</exception>
    /// <exception cref="RedisRefusedException">Something in the address or at the server has to be mended first.</exception>
    public static async ValueTask<RedisClient> ConnectAsync(RedisAddress address, RedisClientOptions options, CancellationToken cancel)
    {
        options.Validate();
        TlsCredentials? tls = address.Tls is null ? null : new TlsCredentials(address.Tls);
        RedisClient client = address switch
        {
            RedisAddress.Standalone standalone => new SingleClient(standalone, options, tls),
            RedisAddress.UnixSocket unix => new SingleClient(unix, options, tls),
            RedisAddress.Sentinel sentinel => new SingleClient(sentinel, options, tls),
            RedisAddress.Cluster cluster => new ClusterClient(cluster, options, tls),
            _ => throw new ArgumentException($"no client for {address}", nameof(address)),
        };
        try
        {
            await client.OpenAsync(cancel);
            return client;
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Sends the batch and waits for every reply. Commands that a server has not executed, and says where or when to try again (<c>MOVED</c>,
    /// <c>ASK</c>, <c>TRYAGAIN</c>, <c>CLUSTERDOWN</c>, <c>LOADING</c>, <c>MASTERDOWN</c>, <c>READONLY</c>, <c>NOSCRIPT</c>), are sent again, exactly
    /// these, until the time-out; they may then be executed after commands that follow them in the batch. Other errors are replies.
    /// </summary>
    /// <exception cref="RedisUnavailableException">Lost, or not done within the time-out. Any of the commands may have been executed.</exception>
    /// <exception cref="RedisRefusedException">A server turns us away for good, on a new connection.</exception>
    /// <exception cref="RespProtocolException">A server's answer makes no sense. Any of the commands may have been executed.</exception>
    /// <exception cref="OperationCanceledException">Cancelled. Any of the commands may have been executed.</exception>
    public abstract ValueTask ExecuteAsync(RespBatch batch, CancellationToken cancel);

    /// <summary>As <see cref="ExecuteAsync"/>, at one of the <see cref="Primaries"/> whatever the slots. Redirections to other nodes are replies here.</summary>
    public abstract ValueTask ExecuteOnAsync(RedisNode node, RespBatch batch, CancellationToken cancel);

    /// <summary>Closes every connection. Operations have ended before; later ones throw <see cref="ObjectDisposedException"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        await CloseAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Makes the first connection.</summary>
    private protected abstract ValueTask OpenAsync(CancellationToken cancel);

    private protected abstract ValueTask CloseAsync();

    /// <summary>Finds out who serves what. Throws nothing but cancellation: a later round will show whether it has helped.</summary>
    private protected abstract ValueTask RefreshAsync(Deadline deadline);

    /// <summary>For connections to the servers of the address.</summary>
    private protected static ConnectionSettings SettingsFor(RedisAddress address, RedisClientOptions options, TlsCredentials? tls) => new()
    {
        Options = options,
        Place = address.RedactedText,
        User = address.User,
        Password = address.Password,
        Tls = tls,
    };

    /// <summary>Executes a batch in as many rounds as it takes.</summary>
    private protected async ValueTask ExecuteInRoundsAsync(ClusterClient? cluster, RedisNode? only, RespBatch batch, CancellationToken cancel)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        cancel.ThrowIfCancellationRequested();
        batch.BeginExecution();
        try
        {
            using var deadline = new Deadline(Options.OperationTimeout, Options.Time, cancel);
            try
            {
                await RunAsync(cluster, only, batch, deadline);
            }
            catch (OperationCanceledException e)
            {
                deadline.ThrowIfCancelledByCaller();
                throw TimedOut(batch.Run.Reason, e);
            }
        }
        finally
        {
            batch.EndExecution();
        }
    }

    private async ValueTask RunAsync(ClusterClient? cluster, RedisNode? only, RespBatch batch, Deadline deadline)
    {
        const int MostRoundsAtOnce = 4; // nodes that send us to and fro do not agree yet
        BatchRun run = batch.Run;
        run.Begin(cluster, only, _scripts);
        var backoff = new Backoff();
        for (int round = 1; ; round++)
        {
            run.Route(Options.MaxReplyBytes);
            if (run.PartCount == 1) await ExchangeAsync(run.Part(0), deadline);
            else if (run.PartCount > 1) await ExchangeAllAsync(run, deadline);
            run.Review();
            if (run.IsDone) return;

            if (run.Remedies.HasFlag(Remedies.Refresh)) await RefreshAsync(deadline);
            if (run.Remedies.HasFlag(Remedies.Wait) || round > MostRoundsAtOnce)
            {
                TimeSpan wait = run.RetryAfter == TimeSpan.MaxValue ? backoff.Next() : run.RetryAfter;
                if (wait >= deadline.Left) wait = deadline.Left;
                await Task.Delay(wait, Options.Time, deadline.Token);
            }
            if (deadline.IsOver)
            {
                deadline.ThrowIfCancelledByCaller();
                throw TimedOut(run.Reason, null);
            }
        }
    }

    /// <summary>All parts at the same time; all have ended when it returns or throws.</summary>
    private async ValueTask ExchangeAllAsync(BatchRun run, Deadline deadline)
    {
        var exchanges = new Task[run.PartCount];
        for (int i = 0; i < exchanges.Length; i++) exchanges[i] = ExchangeAsync(run.Part(i), deadline).AsTask();
        await Task.WhenAll(exchanges);
    }

    private async ValueTask ExchangeAsync(BatchPart part, Deadline deadline)
    {
        Rental rental = await part.Node.Pool.RentAsync(deadline);
        if (rental.Connection is not { } connection)
        {
            part.Unreached = rental.Why;
            return;
        }
        try
        {
            await connection.ExchangeAsync(part.Bytes, part.Replies, part.Expected, deadline.Token);
        }
        catch (Exception e)
        {
            if (!deadline.IsCancelledByCaller) part.Node.Pool.Expire(); // the others are as dead, probably
            if (e is not IOException) throw;
            throw new RedisUnavailableException(
                $"{Address}: {part.Node}: the connection was lost with {part.Count} commands on their way: {e.Message}; they may have been executed or not", e);
        }
        part.Node.Pool.Return(connection);
    }

    private RedisUnavailableException TimedOut(string reason, Exception? cause) => new(
        $"{Address}: not done within {Options.OperationTimeout.TotalSeconds:0.###} s{(reason == "" ? ": no answer" : $": {reason}")}; commands may have been executed or not", cause);
}
