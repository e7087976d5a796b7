namespace Sheaf.Supervision;

/// <summary>Reads lines of which nobody knows how long they are.</summary>
internal static class BoundedLines
{
    /// <summary>Takes a line, without its end. What it is given is good until it returns.</summary>
    public delegate void Taker(ReadOnlySpan<byte> line);

    /// <summary>Reads to the end of the stream. Of a line that is longer than the limit the rest is passed over.</summary>
    public static async Task ReadAsync(Stream stream, int mostBytes, Taker take, CancellationToken cancel)
    {
        byte[] room = new byte[mostBytes];
        int held = 0;
        bool isPassingOver = false;
        while (await stream.ReadAsync(room.AsMemory(held), cancel) is > 0 and var count)
        {
            held += count;
            int begin = 0;
            while (room.AsSpan(begin, held - begin).IndexOf((byte)'\n') is >= 0 and var length)
            {
                if (!isPassingOver) take(room.AsSpan(begin, length));
                isPassingOver = false;
                begin += length + 1;
            }
            if (begin == 0 && held == room.Length)
            {
                if (!isPassingOver) take(room);
                isPassingOver = true;
                held = 0;
                continue;
            }
            room.AsSpan(begin, held - begin).CopyTo(room);
            held = isPassingOver ? 0 : held - begin;
        }
        if (held > 0 && !isPassingOver) take(room.AsSpan(0, held));
    }
}
