namespace Sheaf.Redis.Resp;

/// <summary>The hash slot of a key: which node of a cluster has it.</summary>
public static class HashSlot
{
    /// <summary>Number of slots.</summary>
    public const int Count = 16384;

    /// <summary>For commands without a key, which any primary may answer.</summary>
    public const int Any = -1;

    private static readonly ushort[] Table = MakeTable();

    /// <summary>The slot of a key. Where it has a <c>{hash tag}</c> that is not empty, only the tag counts.</summary>
    public static int Of(ReadOnlySpan<byte> key)
    {
        int open = key.IndexOf((byte)'{');
        if (open >= 0)
        {
            ReadOnlySpan<byte> tag = key[(open + 1)..];
            int length = tag.IndexOf((byte)'}');
            if (length > 0) key = tag[..length];
        }
        int crc = 0;
        foreach (byte b in key) crc = (ushort)((crc << 8) ^ Table[(crc >> 8) ^ b]);
        return crc & (Count - 1);
    }

    /// <summary>CRC-16/XMODEM, one step per byte.</summary>
    private static ushort[] MakeTable()
    {
        var table = new ushort[256];
        for (int b = 0; b < 256; b++)
        {
            int crc = b << 8;
            for (int bit = 0; bit < 8; bit++) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
            table[b] = (ushort)crc;
        }
        return table;
    }
}
