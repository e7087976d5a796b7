using System.Text;

namespace Sheaf.Redis.Resp;

/// <summary>What has to happen before the commands that are left are sent again.</summary>
[Flags]
internal enum Remedies
{
    None = 0,

    /// <summary>Ask who serves what.</summary>
    Refresh = 1,

    /// <summary>Give the servers time.</summary>
    Wait = 2,
}

/// <summary>
/// The way of one batch through the nodes: rounds of parts, one per node, until every command has been executed. Owner: the client that executes the
/// batch, then the readers of its replies. Nothing in here waits or reads from the network.
/// </summary>
internal sealed class BatchRun(RespBatch batch)
{
    private readonly List<BatchPart> _parts = []; // in use first, spares behind
    private readonly Dictionary<RedisNode, BatchPart> _partOf = [];
    private Place[] _places = [];
    private List<WaitingUnit> _waiting = [];
    private List<WaitingUnit> _routing = [];
    private int _used;
    private int _roundStart;
    private bool _isFirstRound;
    private bool _needsScripts;
    private ClusterClient? _cluster;
    private RedisNode? _only;
    private RespBatch? _scripts;

    /// <summary>Number of parts of this round.</summary>
    public int PartCount => _used - _roundStart;

    /// <summary>Why commands are left: the last error or failure, for messages.</summary>
    public string Reason { get; private set; } = "";

    /// <summary>After <see cref="Review"/>: how long the nearest unreachable node wants to be left alone.</summary>
    public TimeSpan RetryAfter { get; private set; }

    /// <summary>After <see cref="Review"/>.</summary>
    public Remedies Remedies { get; private set; }

    public bool IsDone { get; private set; }

    public BatchPart Part(int index) => _parts[_roundStart + index];

    /// <summary>Begins a run: every command is to be sent.</summary>
    /// <param name="cluster">Knows the nodes; null for a standalone server.</param>
    /// <param name="only">Where all commands go, whatever their slots; null: to the nodes of their slots.</param>
    /// <param name="scripts">Commands that load the scripts; empty where there are none.</param>
    public void Begin(ClusterClient? cluster, RedisNode? only, RespBatch scripts)
    {
        Reset();
        _cluster = cluster;
        _only = only;
        _scripts = scripts;
        _isFirstRound = true;
        _needsScripts = false;
        Reason = "";
        if (_places.Length < batch.Count) _places = new Place[Math.Max(batch.Count, 2 * _places.Length)];
    }

    /// <summary>Forgets every reply.</summary>
    public void Reset()
    {
        for (int i = 0; i < _used; i++) _parts[i].Replies.Reset(0);
        _used = _roundStart = 0;
        _waiting.Clear();
        IsDone = false;
        _cluster = null;
        _only = null;
    }

    public RespReply Reply(int command)
    {
        if (!IsDone) throw new InvalidOperationException("the batch has no replies: it was not executed, or not to its end");
        Place place = _places[command];
        return _parts[place.Part].Replies.Reply(place.Reply);
    }

    /// <summary>Deals the commands that are left onto the nodes. Those of a slot that nobody serves stay.</summary>
    public void Route(long maxReplyBytes)
    {
        RecycleRound();
        _partOf.Clear();
        Remedies = Remedies.None;
        RetryAfter = TimeSpan.MaxValue;
        if (_isFirstRound)
        {
            _isFirstRound = false;
            RouteAll();
        }
        else
        {
            (_waiting, _routing) = (_routing, _waiting);
            foreach (WaitingUnit unit in _routing) RouteUnit(unit);
            _routing.Clear();
        }
        for (int i = _roundStart; i < _used; i++) _parts[i].Replies.Reset(maxReplyBytes);
    }

    /// <summary>Sorts what is done from what has to be sent again, and says what that needs.</summary>
    /// <exception cref="RespProtocolException">A redirection makes no sense.</exception>
    public void Review()
    {
        for (int i = _roundStart; i < _used; i++)
        {
            BatchPart part = _parts[i];
            if (part.Unreached is { } unreached)
            {
                Remedies |= Remedies.Refresh | Remedies.Wait;
                Reason = unreached.Reason;
                if (unreached.RetryAfter < RetryAfter) RetryAfter = unreached.RetryAfter;
            }
            else if (!part.Replies.HasErrors)
            {
                part.HasFinalReplies = true;
                continue;
            }
            ReviewUnits(part);
        }
        IsDone = _waiting.Count == 0;
    }

    private void RouteAll()
    {
        if (OnlyNode() is { } node)
        {
            BatchPart part = AddPart(node);
            part.TakeAll(batch);
            for (int i = 0; i < batch.Count; i++) _places[i] = new Place(part.Index, i);
            return;
        }
        for (int i = 0; i < batch.Count;)
        {
            var unit = new WaitingUnit(i, batch.Command(i).UnitLength);
            RouteUnit(unit);
            i += unit.Count;
        }
    }

    /// <summary>The node that all commands go to; null when there are several, or a slot without one.</summary>
    private RedisNode? OnlyNode()
    {
        if (_only is not null) return _only;
        RedisNode? node = null;
        for (int i = 0; i < batch.Count; i++)
        {
            int slot = batch.Command(i).Slot;
            if (slot == HashSlot.Any) continue;
            RedisNode? next = _cluster!.NodeOf(slot);
            if (next is null || (node is not null && next != node)) return null;
            node = next;
        }
        return node ?? _cluster!.NodeOf(HashSlot.Any);
    }

    private void RouteUnit(in WaitingUnit unit)
    {
        RedisNode? node = _only ?? (unit.Target is { } target ? _cluster!.NodeAt(target) : _cluster!.NodeOf(batch.Command(unit.First).Slot));
        if (node is null)
        {
            _waiting.Add(unit);
            Remedies |= Remedies.Refresh | Remedies.Wait;
            Reason = $"no node serves slot {batch.Command(unit.First).Slot}";
            return;
        }
        if (!_partOf.TryGetValue(node, out BatchPart? part))
        {
            _partOf.Add(node, part = AddPart(node));
            if (_needsScripts) part.LoadScripts(_scripts!);
        }
        if (unit.IsAsking) part.Say("*1\r\n$6\r\nASKING\r\n"u8, 1);
        int reply = part.Take(batch, unit.First, unit.Count);
        for (int i = 0; i < unit.Count; i++) _places[unit.First + i] = new Place(part.Index, reply + i);
    }

    private void ReviewUnits(BatchPart part)
    {
        for (int i = 0; i < part.Count;)
        {
            int first = part.CommandAt(i);
            int count = batch.Command(first).UnitLength;
            if (part.Unreached is not null) _waiting.Add(new WaitingUnit(first, count));
            else if (!TryRepeat(part, first, count)) part.HasFinalReplies = true;
            i += count;
        }
    }

    /// <summary>Whether the server has not executed a unit and says what to do about it.</summary>
    private bool TryRepeat(BatchPart part, int first, int count)
    {
        // A transaction whose EXEC is no error has been executed, whatever else was said.
        RespReply last = part.Replies.Reply(_places[first + count - 1].Reply);
        if (count > 1 && !last.IsError) return false;
        for (int i = 0; i < count; i++)
        {
            RespReply reply = part.Replies.Reply(_places[first + i].Reply);
            if (!reply.IsError) continue;
            Retry retry = count == 1 ? Redirection.Of(reply.Bytes) : Redirection.OfAborted(reply.Bytes);
            if (retry != Retry.None) return TryRepeat(part, new WaitingUnit(first, count), retry, reply.Bytes);
        }
        return false;
    }

    private bool TryRepeat(BatchPart part, WaitingUnit unit, Retry retry, ReadOnlySpan<byte> error)
    {
        switch (retry)
        {
            case Retry.None:
                return false;
            case Retry.Moved or Retry.Ask when _cluster is null:
                throw new RedisRefusedException(
                    $"{part.Node}: it is a node of a cluster ({Encoding.UTF8.GetString(error)}); use redis-cluster://host:port,host:port");
            case Retry.Moved or Retry.Ask when _only is not null:
                return false; // the caller has chosen this node
            case Retry.Moved:
                unit.Target = ClusterClient.Resolve(Redirection.ReadTarget(error), part.Node);
                _cluster.NoteMoved(unit.Target);
                Remedies |= Remedies.Refresh;
                break;
            case Retry.Ask:
                unit.Target = ClusterClient.Resolve(Redirection.ReadTarget(error), part.Node);
                unit.IsAsking = unit.Target is not null;
                if (!unit.IsAsking) Remedies |= Remedies.Wait;
                break;
            case Retry.Wait:
                Remedies |= Remedies.Wait;
                break;
            case Retry.ClusterDown:
                Remedies |= Remedies.Refresh | Remedies.Wait;
                break;
            case Retry.ReadOnly:
                part.Node.Pool.Expire();
                Remedies |= Remedies.Refresh | Remedies.Wait;
                break;
            case Retry.NoScript:
                if (_scripts!.Count == 0 || part.HasScripts) return false; // none of ours
                _needsScripts = true;
                break;
        }
        _waiting.Add(unit);
        Reason = Encoding.UTF8.GetString(error[..Math.Min(200, error.Length)]);
        return true;
    }

    private BatchPart AddPart(RedisNode node)
    {
        if (_used == _parts.Count) _parts.Add(new BatchPart(_used));
        BatchPart part = _parts[_used++];
        part.Begin(node);
        return part;
    }

    /// <summary>Parts of the last round whose replies nobody needs any more become spares.</summary>
    private void RecycleRound()
    {
        // A place in the table names a part by its index, so only those at the end can go.
        while (_used > _roundStart && !_parts[_used - 1].HasFinalReplies) _used--;
        _roundStart = _used;
    }

    /// <summary>Where a command's reply is.</summary>
    private readonly record struct Place(int Part, int Reply);

    /// <summary>Commands that are to be sent, and how.</summary>
    private record struct WaitingUnit(int First, int Count)
    {
        /// <summary>Null: whoever serves the slot.</summary>
        public HostPort? Target { get; set; }
        public bool IsAsking { get; set; }
    }
}
