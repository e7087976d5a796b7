using System.Text;

namespace Sheaf.Dev;

/// <summary>Lines that no consumer can use, one of each kind of fault in turn. Each has its number in it.</summary>
internal static class InvalidLines
{
    private const string Ids = "\"trace_id\":\"0123456789abcdef0123456789abcdef\",\"span_id\":\"0123456789abcdef\"";
    private const string Rest =
        "\"start_timestamp\":1767225600.5,\"end_timestamp\":1767225600.75,\"received\":1767225601.125,\"retention_days\":90,\"status\":\"ok\"";

    // # stands for the number.
    private static readonly byte[][] Kinds =
    [
        .. new[]
        {
            "this is not JSON #",
            $"{{\"organization_id\":1,\"project_id\":1,{Ids},\"name\":\"cut off here #",
            $"{{\"organization_id\":1,\"project_id\":1,\"span_id\":\"0123456789abcdef\",{Rest},\"name\":\"no trace_id #\"}}",
            $"{{\"organization_id\":1,\"project_id\":1,\"trace_id\":\"0123456789abcdef0123456789abcdef\",\"span_id\":null,{Rest},\"name\":\"#\"}}",
            $"{{\"organization_id\":1,\"project_id\":\"one\",{Ids},{Rest},\"name\":\"#\"}}",
            $"{{\"organization_id\":1,\"project_id\":1,\"trace_id\":\"0123\",\"span_id\":\"0123456789abcdef\",{Rest},\"name\":\"#\"}}",
            $"{{\"organization_id\":1,\"project_id\":1,\"trace_id\":\"0123456789abcdef0123456789abcdef\",\"span_id\":\"0123456789abcdeX\",{Rest},\"name\":\"#\"}}",
            "[1,2,#]",
            "\"a text #\"",
            $"{{\"organization_id\":1,\"project_id\":1,{Ids},{Rest},\"name\":\"not UTF-8 ~ #\"}}",
        }.Select(Encoding.UTF8.GetBytes),
    ];

    /// <summary>Appends the line with this number, and its end.</summary>
    public static void Write(long number, LineBuffer line)
    {
        byte[] kind = Kinds[number % Kinds.Length];
        line.Reserve(kind.Length + 32);
        foreach (byte b in kind)
        {
            if (b == (byte)'#') line.Append(number);
            else line.Append(b == (byte)'~' ? [0xC3, 0x28] : [b]);
        }
        line.Append("\n"u8);
    }
}
