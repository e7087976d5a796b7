using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;

namespace Sheaf.Files;

/// <summary>
/// Decompresses gzip (RFC 1952) of any number of members, and says when it is damaged or cut off. The platform's own stream takes a file
/// that ends in the middle for complete, and bytes that are no gzip behind a member for nothing. One reader at a time.
/// </summary>
internal sealed class GzipReader : IDisposable
{
    private const int TrailerSize = 8;
    private const int HeaderSize = 10;

    private readonly Stream _compressed;
    private readonly Feed _feed;
    private readonly Crc32 _crc = new();
    private byte[] _chunk = new byte[1 << 16];
    private int _given; // start of what the inflater was given last
    private int _next; // start of what it was not given yet
    private int _end;
    private uint _size;
    private DeflateStream? _inflater;

    /// <param name="begun">What was read of the input already.</param>
    public GzipReader(Stream compressed, ReadOnlySpan<byte> begun)
    {
        _compressed = compressed;
        _feed = new Feed(this);
        begun.CopyTo(_chunk);
        _end = begun.Length;
    }

    /// <summary>Whether an input that begins with these bytes is gzip.</summary>
    public static bool IsGzip(ReadOnlySpan<byte> begin) => begin is [0x1f, 0x8b, ..];

    /// <summary>Decompresses some bytes; 0 at the end of the input.</summary>
    /// <exception cref="InvalidDataException">The input is damaged or cut off; all that could be read before was given out.</exception>
    public int Read(Span<byte> destination)
    {
        while (true)
        {
            if (_inflater is null && !BeginMember()) return 0;
            int count = _inflater!.Read(destination);
            if (count > 0)
            {
                _crc.Append(destination[..count]);
                _size += (uint)count;
                return count;
            }
            EndMember();
        }
    }

    public void Dispose() => _inflater?.Dispose();

    private bool BeginMember()
    {
        // Some writers pad with zeros.
        int first;
        do first = ReadByte();
        while (first == 0);
        if (first < 0) return false;

        Span<byte> header = stackalloc byte[HeaderSize];
        header[0] = (byte)first;
        for (int i = 1; i < HeaderSize; i++) header[i] = NeedByte();
        const int Deflate = 8;
        if (!IsGzip(header) || header[2] != Deflate || header[3] >= 0x20) throw new InvalidDataException("what follows is not gzip");
        int flags = header[3];
        if ((flags & 4) != 0) Skip(NeedByte() | (NeedByte() << 8));
        if ((flags & 8) != 0) SkipText();
        if ((flags & 16) != 0) SkipText();
        if ((flags & 2) != 0) Skip(2);

        _crc.Reset();
        _size = 0;
        _given = _next;
        _feed.IsDry = false;
        _inflater = new DeflateStream(_feed, CompressionMode.Decompress, leaveOpen: true);
        return true;
    }

    /// <summary>
    /// The inflater does not tell how much of what it was given belongs to the member, but the member's trailer does: it is known now, and
    /// lies in what was given last or right behind it.
    /// </summary>
    private void EndMember()
    {
        _inflater!.Dispose();
        _inflater = null;
        if (_feed.IsDry) throw CutOff();
        while (_end - _next < TrailerSize && Fill()) { }

        Span<byte> trailer = stackalloc byte[TrailerSize];
        BinaryPrimitives.WriteUInt32LittleEndian(trailer, _crc.GetCurrentHashAsUInt32());
        BinaryPrimitives.WriteUInt32LittleEndian(trailer[4..], _size);
        int place = _chunk.AsSpan(_given, Math.Min(_end, _next + TrailerSize) - _given).IndexOf(trailer);
        if (place < 0) throw new InvalidDataException("the check sum at the end of a gzip member is wrong or cut off");
        _given = _next = _given + place + TrailerSize;
    }

    /// <summary>Reads more, keeping everything from <see cref="_given"/> on. False at the end of the input.</summary>
    private bool Fill()
    {
        _chunk.AsSpan(_given, _end - _given).CopyTo(_chunk);
        _next -= _given;
        _end -= _given;
        _given = 0;
        if (_end == _chunk.Length) Array.Resize(ref _chunk, 2 * _chunk.Length);
        int count = _compressed.Read(_chunk, _end, _chunk.Length - _end);
        _end += count;
        return count > 0;
    }

    private int ReadByte()
    {
        _given = _next;
        return _next < _end || Fill() ? _chunk[_next++] : -1;
    }

    private byte NeedByte() => ReadByte() is >= 0 and var value ? (byte)value : throw CutOff();

    private void Skip(int count)
    {
        while (count-- > 0) NeedByte();
    }

    private void SkipText()
    {
        while (NeedByte() != 0) { }
    }

    private static InvalidDataException CutOff() => new("the compressed data ends in the middle of a gzip member");

    /// <summary>What the inflater reads from.</summary>
    private sealed class Feed(GzipReader reader) : Stream
    {
        /// <summary>The inflater wanted more than there is.</summary>
        public bool IsDry { get; set; }

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(Span<byte> buffer)
        {
            reader._given = reader._next;
            if (reader._next == reader._end && !reader.Fill())
            {
                IsDry = true;
                return 0;
            }
            int count = Math.Min(buffer.Length, reader._end - reader._next);
            reader._chunk.AsSpan(reader._next, count).CopyTo(buffer);
            reader._next += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
