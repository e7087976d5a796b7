using System.Buffers;
using System.Globalization;
using System.Text;

namespace Sheaf.Spans;

/// <summary>
/// Bytes from anywhere as one line that can go to a terminal: control characters and all that moves or hides text is escaped (<c>\u001B</c>), and so is what is not UTF-8
/// (<c>\xFF</c>). A backslash of the text itself stays as it is. Stateless.
/// </summary>
public static class PrintableText
{
    public static string Of(ReadOnlySpan<byte> text)
    {
        var shown = new StringBuilder(text.Length);
        while (!text.IsEmpty)
        {
            shown.Append(First(text, out int bytes));
            text = text[bytes..];
        }
        return shown.ToString();
    }

    public static string Of(string text) => Of(Encoding.UTF8.GetBytes(text));

    /// <summary>The first character.</summary>
    /// <param name="text">Not empty.</param>
    /// <param name="bytes">How many it has.</param>
    internal static string First(ReadOnlySpan<byte> text, out int bytes)
    {
        if (Rune.DecodeFromUtf8(text, out Rune rune, out bytes) != OperationStatus.Done) return string.Concat(text[..bytes].ToArray().Select(b => $"\\x{b:X2}"));
        return IsPrintable(rune) ? rune.ToString() : $"\\u{rune.Value:X4}";
    }

    private static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not
        (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.SpaceSeparator);
}
