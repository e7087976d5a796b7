using System.Buffers;
using Sheaf.Buffering;
using Sheaf.Journals;
using ZstdSharp;

namespace Sheaf.Redis.Journal;

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

    /// <summary>The packing's name.</summary>
    public string Name => _level == RedisBufferOptions.NotCompressed ? None : Zstd;

    /// <summary>Packs a batch into rented memory, which the caller returns to the shared pool.</summary>
    public byte[] Pack(SpanBatch batch, out int length)
    {
        byte[] plain = ArrayPool<byte>.Shared.Rent(JournalMessages.MostBytes(batch));
        length = JournalMessages.Write(batch, plain);
        if (_level == RedisBufferOptions.NotCompressed) return plain;
        byte[] packed = ArrayPool<byte>.Shared.Rent(Compressor.GetCompressBound(length));
        Compressor compressor = _compressors.TryTake(out Compressor? free) ? free : new Compressor(_level);
        length = compressor.Wrap(plain.AsSpan(0, length), packed);
        _compressors.Add(compressor);
        ArrayPool<byte>.Shared.Return(plain);
        return packed;
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
