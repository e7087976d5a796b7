using System.Buffers;
using System.Buffers.Text;

namespace Sheaf.Spans;

/// <summary>Hex digits of ids. Stateless.</summary>
internal static class Hex
{
    /// <summary>Reads exactly 16 hex digits of either case; false for any other byte.</summary>
    public static bool TryReadUInt64(ReadOnlySpan<byte> digits, out ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        if (digits.Length != 16 || Convert.FromHexString(digits, bytes, out _, out int written) != OperationStatus.Done || written != 8)
        {
            value = 0;
            return false;
        }
        value = System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(bytes);
        return true;
    }

    /// <summary>Writes 16 lower-case hex digits.</summary>
    public static void WriteUInt64(ulong value, Span<byte> destination) =>
        Utf8Formatter.TryFormat(value, destination[..16], out _, new StandardFormat('x', 16));
}
