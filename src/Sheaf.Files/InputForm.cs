namespace Sheaf.Files;

/// <summary>What an input looks like that is not JSON lines, by its first bytes.</summary>
internal static class InputForm
{
    private const int MostLooked = 512;

    /// <summary>Bytes that no JSON begins with: what they are, and the way out.</summary>
    private static readonly (byte[] Begin, int At, string What)[] Signatures =
    [
        ([0x28, 0xB5, 0x2F, 0xFD], 0, "zstd-compressed data: decompress it on the way (zstd -dc FILE | sheaf … --input -)"),
        ([0xFD, .. "7zXZ"u8, 0], 0, "xz-compressed data: decompress it on the way (xz -dc FILE | sheaf … --input -)"),
        ([.. "BZh"u8], 0, "bzip2-compressed data: decompress it on the way (bzip2 -dc FILE | sheaf … --input -)"),
        ([0x04, 0x22, 0x4D, 0x18], 0, "lz4-compressed data: decompress it on the way (lz4 -dc FILE | sheaf … --input -)"),
        ([0xFF, 0x06, 0, 0, .. "sNaPpY"u8], 0, "snappy-compressed data: decompress it first"),
        ([.. "PK"u8, 3, 4], 0, "a zip archive: unpack it on the way (unzip -p FILE | sheaf … --input -)"),
        ([.. "7z"u8, 0xBC, 0xAF, 0x27, 0x1C], 0, "a 7-zip archive: unpack it first"),
        ([.. "ustar"u8], 257, "a tar archive: unpack it on the way (tar -xOf FILE | sheaf … --input -)"),
        ([.. "PAR1"u8], 0, "a Parquet file: write its rows as JSON, one object per line, first"),
        ([.. "Obj"u8, 1], 0, "an Avro file: write its records as JSON, one object per line, first"),
        ([.. "SQLite format 3"u8], 0, "an SQLite database: write its rows as JSON, one object per line, first"),
        ([0xFF, 0xFE, 0, 0], 0, "UTF-32 text: JSON lines are UTF-8 (iconv -f UTF-32 -t UTF-8 FILE | sheaf … --input -)"),
        ([0, 0, 0xFE, 0xFF], 0, "UTF-32 text: JSON lines are UTF-8 (iconv -f UTF-32 -t UTF-8 FILE | sheaf … --input -)"),
        ([0xFF, 0xFE], 0, Utf16),
        ([0xFE, 0xFF], 0, Utf16),
        ([(byte)'{', 0], 0, Utf16),
        ([0, (byte)'{'], 0, Utf16),
        ([(byte)'[', 0], 0, Utf16),
        ([0, (byte)'['], 0, Utf16),
    ];

    private const string Utf16 = "UTF-16 text: JSON lines are UTF-8 (iconv -f UTF-16 -t UTF-8 FILE | sheaf … --input -)";

    /// <summary>What it must be, and what to do with it; null where it may be lines of text.</summary>
    public static string? Foreign(ReadOnlySpan<byte> begin)
    {
        foreach ((byte[] bytes, int at, string what) in Signatures)
            if (begin.Length >= at && begin[at..].StartsWith(bytes)) return what;
        return null;
    }

    /// <summary>What it may be, should no line of it be of use; null where it looks like JSON lines, or like nothing known.</summary>
    public static string? Suspicion(ReadOnlySpan<byte> begin)
    {
        ReadOnlySpan<byte> byteOrderMark = [0xEF, 0xBB, 0xBF];
        if (begin.StartsWith(byteOrderMark)) begin = begin[byteOrderMark.Length..];
        begin = begin[..Math.Min(MostLooked, begin.Length)];
        if (begin.ContainsAnyInRange((byte)0, (byte)8)) return "binary data: JSON lines are text, one object per line";
        ReadOnlySpan<byte> text = begin.TrimStart(" \t\r\n"u8);
        if (text.IsEmpty) return null;
        if (text[0] == '[') return "a JSON array: write one object per line (jq -c '.[]' FILE | sheaf … --input -)";
        int lineFeed = text.IndexOf((byte)'\n'); // a longer first line is no pretty one
        if (text[0] == '{' && lineFeed > 0 && !text[..lineFeed].TrimEnd(" \t\r"u8).EndsWith("}"u8))
            return "JSON that goes over several lines: write one object per line (jq -c . FILE | sheaf … --input -)";
        return text[0] == '{' ? null : "text that is not JSON";
    }
}
