using System.Buffers;
using Sheaf.Buffering;
using Sheaf.Journals;
using ZstdSharp;

namespace Sheaf.Redis;

/// <summary>
/// Packs the messages of an entry: as they are, or in one zstd frame. Entries of both kinds may stand side by side. Any thread; what works for one call at a
/// time is kept in a pool.
/// </summary>
internal sealed class EntryPacking : IDisposable
{
    /// <summary>How an entry is packed, as it stands in its field.</summary>
    public const string None = "none", Zstd = "zstd";

    private readonly int _level;
    private readonly System.Collections.Concurrent.ConcurrentBag<Compressor> _compressors = [];
    private readonly System.Collections.Concurrent.ConcurrentBag<Decompressor> _decompressors = [];

    /// <param name="level"><c>compression-level</c>: a zstd level, 0 being zstd's own default; -1 = not compressed.</param>
    public EntryPacking(int level) => _level = level;

    /// <inheritdoc cref="IJournal.Pack"/>
    public JournalEntry Pack(SpanBatch batch, Range range, long first, StoredPosition through)
    {
        (int start, int count) = range.GetOffsetAndLength(batch.Count);
        bool isPlain = _level == RedisJournalOptions.NotCompressed;
        if (count == 0) return new JournalEntry(0, first, through, 0, default, None);
        byte[] plain = ArrayPool<byte>.Shared.Rent(JournalMessages.MostBytes(batch, start, count));
        int length = JournalMessages.Write(batch, start, count, plain);
        byte[] packed = isPlain ? plain[..length] : Compress(plain.AsSpan(0, length));
        ArrayPool<byte>.Shared.Return(plain);
        return new JournalEntry(0, first, through, count, packed, isPlain ? None : Zstd);
    }

    /// <inheritdoc cref="IJournal.Unpack"/>
    public void Unpack(in JournalEntry entry, JournalMessages into)
    {
        switch (entry.Packing)
        {
            case None:
                entry.Packed.Span.CopyTo(into.Begin(entry.Packed.Length));
                break;
            case Zstd:
                UnpackZstd(entry, into);
                break;
            default:
                throw new InvalidDataException($"entry {entry.Id} is packed as '{entry.Packing}', which this version of Sheaf does not know");
        }
        into.Read();
    }

    public void Dispose()
    {
        foreach (Compressor compressor in _compressors) compressor.Dispose();
        foreach (Decompressor decompressor in _decompressors) decompressor.Dispose();
    }

    private byte[] Compress(ReadOnlySpan<byte> plain)
    {
        byte[] room = ArrayPool<byte>.Shared.Rent(Compressor.GetCompressBound(plain.Length));
        Compressor compressor = _compressors.TryTake(out Compressor? free) ? free : new Compressor(_level);
        int length = compressor.Wrap(plain, room);
        _compressors.Add(compressor);
        byte[] packed = room[..length]; // its own, and no longer than it must be: it is kept until its spans are settled
        ArrayPool<byte>.Shared.Return(room);
        return packed;
    }

    private void UnpackZstd(in JournalEntry entry, JournalMessages into)
    {
        ulong length = Decompressor.GetDecompressedSize(entry.Packed.Span);
        if (length > (ulong)Array.MaxLength) throw new InvalidDataException($"entry {entry.Id} is damaged: it says that it has {length} bytes");
        Decompressor decompressor = _decompressors.TryTake(out Decompressor? free) ? free : new Decompressor();
        try
        {
            int written = decompressor.Unwrap(entry.Packed.Span, into.Begin((int)length));
            if (written != (int)length) throw new InvalidDataException($"entry {entry.Id} is damaged: it has {written} bytes and says that it has {length}");
        }
        catch (ZstdException e)
        {
            throw new InvalidDataException($"entry {entry.Id} is damaged: {e.Message}", e);
        }
        finally
        {
            _decompressors.Add(decompressor);
        }
    }
}
