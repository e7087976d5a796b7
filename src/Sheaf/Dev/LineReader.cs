namespace Sheaf.Dev;

/// <summary>Reads lines of any length from a stream, one at a time, in memory that is used again. Lines end with a line feed, the last one maybe without.</summary>
internal sealed class LineReader(Stream input)
{
    private byte[] _buffer = new byte[1 << 18];
    private int _start;
    private int _end;

    /// <summary>Number of the line read last, from 1.</summary>
    public long Number { get; private set; }

    /// <summary>The line read last, without its end. Valid until the next read.</summary>
    public ReadOnlyMemory<byte> Line { get; private set; }

    /// <summary>Reads the next line; false at the end of the input.</summary>
    public async ValueTask<bool> ReadAsync(CancellationToken cancel)
    {
        int searched = 0;
        while (true)
        {
            int length = _buffer.AsSpan((_start + searched).._end).IndexOf((byte)'\n');
            if (length >= 0) return Take(searched + length, 1);
            searched = _end - _start;
            if (_start > 0 && _end == _buffer.Length)
            {
                _buffer.AsSpan(_start.._end).CopyTo(_buffer);
                (_start, _end) = (0, searched);
            }
            if (_end == _buffer.Length) Array.Resize(ref _buffer, (int)Math.Min(Array.MaxLength, 2L * _buffer.Length));
            int read = await input.ReadAsync(_buffer.AsMemory(_end), cancel);
            if (read == 0) return searched > 0 && Take(searched, 0);
            _end += read;
        }
    }

    private bool Take(int length, int lineEnd)
    {
        Line = _buffer.AsMemory(_start, length);
        _start += length + lineEnd;
        Number++;
        return true;
    }
}
