namespace Sheaf.Redis.Resp;

/// <summary>The commands of a batch that go to one node in one round, and their replies. Owner: the batch's <see cref="BatchRun"/>; used again.</summary>
internal sealed class BatchPart(int index)
{
    private PooledBytes _copy;
    private int _copyLength;
    private int[] _commands = [];
    private RespBatch? _whole;

    /// <summary>Its place among the parts of the run.</summary>
    public int Index { get; } = index;

    /// <summary>Commands of the batch; what is said between them is not counted.</summary>
    public int Count { get; private set; }

    /// <summary>Replies to come, those to what is said between included.</summary>
    public int Expected { get; private set; }

    public RedisNode Node { get; private set; } = null!;

    /// <summary>Set where no connection was to be had: nothing was sent.</summary>
    public Unreachable? Unreached { get; set; }

    /// <summary>Whether a reply is what the batch's owner reads in the end.</summary>
    public bool HasFinalReplies { get; set; }

    /// <summary>Whether the scripts are loaded in front of the commands.</summary>
    public bool HasScripts { get; private set; }

    public ReplySet Replies { get; } = new();

    /// <summary>What is sent.</summary>
    public ReadOnlyMemory<byte> Bytes => _whole?.Bytes ?? _copy.Array.AsMemory(0, _copyLength);

    public void Begin(RedisNode node)
    {
        _copy.Settle(_copyLength);
        _copyLength = 0;
        _whole = null;
        Count = 0;
        Expected = 0;
        Node = node;
        Unreached = null;
        HasFinalReplies = false;
        HasScripts = false;
    }

    /// <summary>All commands, as they lie in the batch.</summary>
    public void TakeAll(RespBatch batch)
    {
        _whole = batch;
        Count = Expected = batch.Count;
    }

    /// <summary>Adds commands that follow each other in the batch.</summary>
    /// <returns>Which reply is the first one's.</returns>
    public int Take(RespBatch batch, int first, int count)
    {
        Copy(batch.BytesOf(first, count));
        if (_commands.Length < Count + count) Array.Resize(ref _commands, Math.Max(Count + count, 2 * _commands.Length));
        for (int i = 0; i < count; i++) _commands[Count++] = first + i;
        int reply = Expected;
        Expected += count;
        return reply;
    }

    /// <summary>Adds commands of the client itself; nobody reads their replies.</summary>
    public void Say(ReadOnlySpan<byte> commands, int count)
    {
        Copy(commands);
        Expected += count;
    }

    /// <summary>Has the node load the scripts before what is added next.</summary>
    public void LoadScripts(RespBatch scripts)
    {
        HasScripts = true;
        Say(scripts.Bytes.Span, scripts.Count);
    }

    /// <summary>Which command of the batch the n-th of this part is.</summary>
    public int CommandAt(int index) => _whole is null ? _commands[index] : index;

    private void Copy(ReadOnlySpan<byte> bytes)
    {
        _copy.EnsureCapacity((long)_copyLength + bytes.Length, _copyLength);
        bytes.CopyTo(_copy.Array.AsSpan(_copyLength));
        _copyLength += bytes.Length;
    }
}
