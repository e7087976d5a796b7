using System.Buffers.Text;
using System.Text;

namespace Sheaf.Redis.Resp;

/// <summary>
/// Commands that are sent in one go, and their replies. Owner: one operation at a time; used again, so that nothing is allocated per command. Commands
/// from <c>MULTI</c> to <c>EXEC</c> or <c>DISCARD</c> are one unit: with one slot, and repeated as a whole where the server has discarded it as a
/// whole. (A script that the server lacks is noticed while a transaction is executed already: its <c>NOSCRIPT</c> is in the reply to <c>EXEC</c>.)
/// </summary>
/// <remarks>
/// Connections are shared by turns. Commands that change one for those that come after (<c>SELECT</c>, <c>SUBSCRIBE</c>, <c>WATCH</c>,
/// <c>CLIENT REPLY</c>, …) do not belong into a batch.
/// </remarks>
public sealed class RespBatch
{
    private const int LongestHead = 16; // "*2147483647\r\n"
    private const int LongestNumber = 20;

    private readonly BatchRun _run;
    private PooledBytes _bytes;
    private BatchCommand[] _commands = new BatchCommand[16];
    private int _length;
    private int _wordsLeft;
    private bool _isFirstWord;
    private int _transaction = -1; // its first command, while it is open
    private int _executing;

    public RespBatch() => _run = new BatchRun(this);

    /// <summary>Commands in the batch.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes of the commands, as they are sent.</summary>
    public int Length => _length;

    internal BatchRun Run => _run;

    internal ReadOnlyMemory<byte> Bytes => _bytes.Array.AsMemory(0, _length);

    /// <summary>Forgets commands and replies.</summary>
    public void Clear()
    {
        ThrowIfExecuting();
        _bytes.Settle(_length);
        _run.Reset();
        Count = 0;
        _length = 0;
        _wordsLeft = 0;
        _transaction = -1;
    }

    /// <summary>Begins a command.</summary>
    /// <param name="words">How many words follow, the command's name included.</param>
    /// <param name="slot"><see cref="HashSlot.Of"/> its keys, or <see cref="HashSlot.Any"/>. A standalone server ignores it.</param>
    public void Begin(int words, int slot)
    {
        ThrowIfExecuting();
        ArgumentOutOfRangeException.ThrowIfLessThan(words, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(slot, HashSlot.Any);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(slot, HashSlot.Count);
        if (_wordsLeft > 0) throw new InvalidOperationException($"the command before lacks {_wordsLeft} of its words");
        if (_transaction >= 0 && slot != _commands[_transaction].Slot)
            throw new InvalidOperationException($"slot {slot} inside of a transaction on slot {_commands[_transaction].Slot}: one transaction, one slot");

        if (Count == _commands.Length) Array.Resize(ref _commands, 2 * Count);
        _commands[Count++] = new BatchCommand { Start = _length, Slot = slot, UnitLength = 1 };
        _wordsLeft = words;
        _isFirstWord = true;
        WriteHead((byte)'*', words);
    }

    /// <summary>Begins <c>EVALSHA</c> of a script; its keys follow, then its arguments.</summary>
    public void Begin(RespScript script, int keys, int arguments, int slot)
    {
        Begin(3 + keys + arguments, slot);
        Add("EVALSHA"u8);
        Add(script.Sha);
        Add(keys);
    }

    public void Add(ReadOnlySpan<byte> word)
    {
        bool isName = _isFirstWord;
        word.CopyTo(AddUninitialized(word.Length));
        if (isName) NoteName(word);
    }

    /// <summary>A number as decimal digits.</summary>
    public void Add(long number)
    {
        Span<byte> digits = stackalloc byte[LongestNumber];
        Utf8Formatter.TryFormat(number, digits, out int length);
        Add(digits[..length]);
    }

    /// <summary>A word of exactly this many bytes, to be filled in place before the next call. Not for a command's name.</summary>
    public Span<byte> AddUninitialized(int length)
    {
        ThrowIfExecuting();
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (_wordsLeft == 0) throw new InvalidOperationException("a word without a command, or more words than its command was begun with");
        _wordsLeft--;
        _isFirstWord = false;
        WriteHead((byte)'$', length);
        _bytes.EnsureCapacity((long)_length + length + 2, _length);
        Span<byte> word = _bytes.Array.AsSpan(_length, length);
        _length += length;
        EndLine();
        return word;
    }

    /// <summary>The reply to a command, after the batch was executed. Valid until the batch is cleared or executed again.</summary>
    public RespReply Reply(int command)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)command, (uint)Count, nameof(command));
        ThrowIfExecuting();
        return _run.Reply(command);
    }

    internal ref readonly BatchCommand Command(int index) => ref _commands[index];

    internal ReadOnlySpan<byte> BytesOf(int first, int count)
    {
        int end = first + count == Count ? _length : _commands[first + count].Start;
        return _bytes.Array.AsSpan(_commands[first].Start, end - _commands[first].Start);
    }

    /// <summary>From now until <see cref="EndExecution"/> the batch belongs to a client.</summary>
    internal void BeginExecution()
    {
        if (_wordsLeft > 0) throw new InvalidOperationException($"the last command lacks {_wordsLeft} of its words");
        if (_transaction >= 0) throw new InvalidOperationException("the batch ends inside of a transaction: EXEC or DISCARD is missing");
        if (Interlocked.Exchange(ref _executing, 1) != 0) throw new InvalidOperationException("the batch is being executed already");
    }

    internal void EndExecution() => Volatile.Write(ref _executing, 0);

    private void ThrowIfExecuting()
    {
        if (Volatile.Read(ref _executing) != 0) throw new InvalidOperationException("the batch is being executed");
    }

    private void NoteName(ReadOnlySpan<byte> name)
    {
        if (_transaction < 0)
        {
            if (name.Length == 5 && Ascii.EqualsIgnoreCase(name, "MULTI"u8)) _transaction = Count - 1;
        }
        else if ((name.Length == 4 && Ascii.EqualsIgnoreCase(name, "EXEC"u8)) || (name.Length == 7 && Ascii.EqualsIgnoreCase(name, "DISCARD"u8)))
        {
            _commands[_transaction].UnitLength = Count - _transaction;
            _transaction = -1;
        }
    }

    private void WriteHead(byte mark, int number)
    {
        _bytes.EnsureCapacity((long)_length + LongestHead, _length);
        Span<byte> room = _bytes.Array.AsSpan(_length);
        room[0] = mark;
        Utf8Formatter.TryFormat(number, room[1..], out int digits);
        _length += 1 + digits;
        EndLine();
    }

    private void EndLine()
    {
        "\r\n"u8.CopyTo(_bytes.Array.AsSpan(_length));
        _length += 2;
    }
}

/// <summary>Where a command begins in its batch's bytes, and where it goes. Fields are public so that it is filled in place.</summary>
internal struct BatchCommand
{
    public int Start;
    public int Slot;

    /// <summary>Commands that stand or fall with this one, itself included. More than 1 for the <c>MULTI</c> of a transaction only.</summary>
    public int UnitLength;
}
