using System.Runtime.CompilerServices;

namespace Sheaf.Buffering.Memory;

/// <summary>
/// An array that grows in chunks: growing copies nothing, wastes at most one chunk, and leaves every reference to an element valid. New
/// elements are zero. No lock of its own.
/// </summary>
internal sealed class ChunkedArray<T> where T : unmanaged
{
    private const int ChunkBits = 12;
    private const int ChunkLength = 1 << ChunkBits;

    private T[][] _chunks = [];
    private int _chunkCount;

    public int Capacity => _chunkCount << ChunkBits;

    public long AllocatedBytes => ((long)Capacity * Unsafe.SizeOf<T>()) + ((long)_chunks.Length * IntPtr.Size);

    public ref T this[int index] => ref _chunks[index >> ChunkBits][index & (ChunkLength - 1)];

    public void EnsureCapacity(int count)
    {
        while (Capacity < count)
        {
            if (_chunkCount == _chunks.Length) Array.Resize(ref _chunks, Math.Max(16, 2 * _chunks.Length));
            _chunks[_chunkCount++] = new T[ChunkLength];
        }
    }
}
