using Microsoft.Win32.SafeHandles;
using Sheaf.Ingesting;

namespace Sheaf.Files;

/// <summary>
/// Messages from JSON lines: a file, a named pipe or standard input, plain or gzip. Lines end with a line feed only; one carriage return before
/// it is not part of the message; the last line needs no line feed. Blank lines are passed over, and so is a byte order mark at the begin of a line (of the
/// first one, where files were joined of others too). The source offset is the line number, from 1, blank ones counted. One reader at a time. Where a read from a pipe was cancelled, neither the source nor the block is to be used again: the read may still come back.
/// </summary>
public sealed class JsonLinesSource : ISpanSource
{
    /// <summary>Bytes that are read in one go.</summary>
    public const int DefaultBlockBytes = 256 << 10;

    /// <summary>The longest line that is read; a longer one ends the run.</summary>
    public const int DefaultMaxMessageBytes = 1 << 30;

    private const byte ByteOrderMark = 0xEF; // its first byte

    private readonly FileStream _input;
    private readonly int _blockBytes;
    private readonly int _maxMessageBytes;
    private readonly bool _mayBlock;
    private GzipReader? _gzip;
    private byte[] _carry = new byte[4096]; // a line's beginning, for the next block
    private int _carryLength;
    private long _line;
    private bool _begun;
    private bool _ended;
    private Exception? _broken; // reading failed
    private SourceException? _failure; // thrown after the lines before it are out

    private JsonLinesSource(string name, FileStream input, int blockBytes, int maxMessageBytes)
    {
        Name = name;
        _input = input;
        _blockBytes = blockBytes;
        _maxMessageBytes = maxMessageBytes;
        _mayBlock = !input.CanSeek;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public string? LooksLike { get; private set; }

    /// <summary>Opens the input. A named pipe is waited for until it has a writer.</summary>
    /// <param name="path">A file, a named pipe, or <c>-</c> for standard input.</param>
    /// <param name="blockBytes">How many bytes a block has, if its lines are not longer.</param>
    /// <param name="maxMessageBytes">1 to <see cref="DefaultMaxMessageBytes"/>.</param>
    /// <exception cref="SourceException">It cannot be opened; the message names path, reason and way out.</exception>
    public static async ValueTask<JsonLinesSource> OpenAsync(
        string path, CancellationToken cancel, int blockBytes = DefaultBlockBytes, int maxMessageBytes = DefaultMaxMessageBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blockBytes, 2);
        ArgumentOutOfRangeException.ThrowIfNotEqual(maxMessageBytes, Math.Clamp(maxMessageBytes, 1, DefaultMaxMessageBytes));
        string name = path == "-" ? "standard input" : path;
        return new JsonLinesSource(name, await Task.Run(() => Open(path, name), cancel).WaitAsync(cancel), blockBytes, maxMessageBytes);
    }

    /// <inheritdoc/>
    public async ValueTask<bool> ReadAsync(InputBlock into, CancellationToken cancel)
    {
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            into.Reset(shard: null);
            if (_failure is not null) throw _failure;
            await ReadBlockAsync(into, cancel);
            if (into.Messages.Length > 0) return true;
            if (_failure is not null) throw _failure;
            if (_ended) return false; // else all lines were blank
        }
    }

    /// <summary>Reads some lines, and notes why it could not go on.</summary>
    private async ValueTask ReadBlockAsync(InputBlock into, CancellationToken cancel)
    {

        into.Grow(_carryLength + _blockBytes, keep: 0);
        _carry.AsSpan(0, _carryLength).CopyTo(into.Buffer.Span);
        int filled = _carryLength;
        int target = _carryLength + _blockBytes;
        int complete = 0; // end of the last line that is complete
        _carryLength = 0;
        while (!_ended && _broken is null && _failure is null)
        {
            if (filled == target)
            {
                if (complete > 0) break;
                if (filled >= _maxMessageBytes + 2) // with its line end no line that may be read is longer
                {
                    _failure = TooLong();
                    break;
                }
                target = (int)Math.Min(_maxMessageBytes + 2L, (long)filled + _blockBytes);
                if (target > into.Buffer.Length) into.Grow((int)Math.Min(_maxMessageBytes + 2L, Math.Max(target, 2L * filled)), filled);
            }
            int count = await ReadSomeAsync(into.Buffer[filled..target], cancel);
            int lastLineFeed = into.Buffer.Span.Slice(filled, count).LastIndexOf((byte)'\n');
            if (lastLineFeed >= 0) complete = filled + lastLineFeed + 1;
            filled += count;
            if (_mayBlock && complete > 0) break; // what comes slowly is not held back
        }
        if (_ended) complete = filled;

        if (_line == 0) Recognize(into.Buffer.Span[..filled]);
        AddLines(into, complete);
        if (_broken is not null) _failure ??= Broken(_broken);
        KeepCarry(into.Buffer.Span[complete..filled]);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _gzip?.Dispose();
        return _input.DisposeAsync();
    }

    private static FileStream Open(string path, string name)
    {
        if (Directory.Exists(path)) throw new SourceException($"input: {name} is a directory; name a file in it");
        try
        {
            return path == "-"
                ? new FileStream(new SafeFileHandle(0, ownsHandle: false), FileAccess.Read, bufferSize: 0)
                : new FileStream(path, new FileStreamOptions
                {
                    Access = FileAccess.Read,
                    Share = FileShare.ReadWrite | FileShare.Delete,
                    BufferSize = 0,
                    Options = FileOptions.SequentialScan,
                });
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new SourceException($"input: {name} does not exist; check the path ({Path.GetFullPath(path)})", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new SourceException($"input: {name} may not be read: {e.Message} Change its permissions, or name another file", e);
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            throw new SourceException($"input: {name} cannot be opened: {e.Message}", e);
        }
    }

    /// <summary>Reads into the room, notes the end of the input or what broke it, and returns how many bytes came.</summary>
    private async ValueTask<int> ReadSomeAsync(Memory<byte> room, CancellationToken cancel)
    {
        try
        {
            // Nothing interrupts a read from a pipe that nobody writes to; the caller need not wait for it.
            int count = _mayBlock ? await Task.Run(() => Read(room.Span), cancel).WaitAsync(cancel) : Read(room.Span);
            _ended = count == 0;
            return count;
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            _broken = e;
            return 0;
        }
    }

    private int Read(Span<byte> room)
    {
        if (_begun) return _gzip is null ? _input.Read(room) : _gzip.Read(room);

        // The first two bytes tell whether it is gzip; a pipe may give less at first.
        _begun = true;
        Span<byte> begin = stackalloc byte[2];
        int count = _input.ReadAtLeast(begin, begin.Length, throwOnEndOfStream: false);
        begin = begin[..count];
        if (GzipReader.IsGzip(begin))
        {
            _gzip = new GzipReader(_input, begin);
            return _gzip.Read(room);
        }
        begin.CopyTo(room);
        return count;
    }

    private void Recognize(ReadOnlySpan<byte> begin)
    {
        if (InputForm.Foreign(begin) is { } foreign) _failure = new SourceException($"input: {Name} looks like {foreign}");
        LooksLike = InputForm.Suspicion(begin);
    }

    private void AddLines(InputBlock into, int end)
    {
        if (_failure is not null && _line == 0) return;
        ReadOnlySpan<byte> bytes = into.Buffer.Span[..end];
        int start = 0;
        while (start < end)
        {
            int length = bytes[start..].IndexOf((byte)'\n');
            int next = length < 0 ? end : start + length + 1;
            if (length < 0) length = end - start;
            if (length > 0 && bytes[start + length - 1] == '\r') length--;
            if (length > _maxMessageBytes)
            {
                _failure = TooLong();
                return;
            }
            _line++;
            // One comparison for nearly every line: no message begins with a blank, nor with a byte beyond ASCII.
            if (length == 0 || bytes[start] is <= (byte)' ' or ByteOrderMark) Trim(bytes, ref start, ref length);
            if (length > 0) into.Add(new InputMessage(start, length, _line, InputMessage.NoTimestamp));
            start = next;
        }
    }

    /// <summary>Takes a byte order mark off, and everything off that is blank alone.</summary>
    private static void Trim(ReadOnlySpan<byte> bytes, ref int start, ref int length)
    {
        ReadOnlySpan<byte> mark = [ByteOrderMark, 0xBB, 0xBF];
        if (bytes.Slice(start, length).StartsWith(mark))
        {
            start += mark.Length;
            length -= mark.Length;
        }
        if (bytes.Slice(start, length).IndexOfAnyExcept(" \t\r"u8) < 0) length = 0;
    }

    private void KeepCarry(ReadOnlySpan<byte> rest)
    {
        if (_carry.Length < rest.Length) _carry = new byte[Math.Max(rest.Length, 2 * _carry.Length)];
        rest.CopyTo(_carry);
        _carryLength = rest.Length;
    }

    private SourceException Broken(Exception reason) => reason is InvalidDataException
        ? new SourceException($"input: {Name}: behind line {_line}, {reason.Message}; the lines before were read, fetch the file again for the rest", reason)
        : new SourceException($"input: {Name}: cannot be read behind line {_line}: {reason.Message}", reason);

    private SourceException TooLong() =>
        new($"input: {Name}, line {_line + 1} is longer than {_maxMessageBytes} bytes, the most that a message may have; is it one JSON object per line?");
}
