using System.Globalization;
using System.Text;
using System.Text.Json;
using Sheaf.Commands;
using Sheaf.Spans;

namespace Sheaf.DeadLetters;

/// <summary>Dead letters for people and for scripts. What comes from outside is escaped, so that it can go to a terminal.</summary>
internal static class LetterText
{
    private const string NotKnown = "-";

    public static string Heading { get; } = Row("place", "written", "reason", "field", "size", "message came from");

    /// <summary>A line of a list.</summary>
    public static string Line(KeptLetter letter) => Row(
        letter.Place.ToString(), TimeOf(letter), Shown(letter.Reason), Shown(letter.Field), ByteText.Of(letter.TruncatedFrom ?? letter.Message.Length), Shown(letter.SourceText));

    /// <summary>Everything of one letter, and its message behind an empty line.</summary>
    public static string Whole(KeptLetter letter, string keptIn)
    {
        var text = new StringBuilder();
        Add("place", $"{keptIn}:{letter.Place}");
        Add("written", TimeOf(letter));
        Add("reason", letter.Reason);
        Add("field", letter.Field);
        Add("error", letter.Error);
        Add("source", letter.Source);
        Add(letter.Place.IsLine ? "shard" : "partition", letter.SourcePartition?.ToString(CultureInfo.InvariantCulture) ?? "");
        Add(letter.Place.IsLine ? "line" : "offset", letter.SourceOffset?.ToString(CultureInfo.InvariantCulture) ?? "");
        Add("size", letter.TruncatedFrom is { } length
            ? string.Create(CultureInfo.InvariantCulture, $"{length} bytes, of which the first {letter.Message.Length} are kept")
            : string.Create(CultureInfo.InvariantCulture, $"{letter.Message.Length} bytes"));
        return text.Append('\n').Append(PrintableText.Of(letter.Message)).ToString();

        void Add(string name, string value) => text.Append(CultureInfo.InvariantCulture, $"{name + ":",-11}{Shown(value)}\n");
    }

    /// <summary>One line of JSON. Its keys are frozen: scripts read them.</summary>
    public static string Json(KeptLetter letter)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("place", letter.Place.ToString());
            json.WriteString("time", letter.Time is null ? null : TimeOf(letter));
            json.WriteString("reason", letter.Reason);
            json.WriteString("field", letter.Field);
            json.WriteString("error", letter.Error);
            json.WriteString("source", letter.Source);
            Number("source_partition", letter.SourcePartition);
            Number("source_offset", letter.SourceOffset);
            json.WriteNumber("bytes", letter.TruncatedFrom ?? letter.Message.Length);
            json.WriteNumber("kept_bytes", letter.Message.Length);
            json.WriteEndObject();

            void Number(string name, long? value)
            {
                if (value is { } number) json.WriteNumber(name, number);
                else json.WriteNull(name);
            }
        }
        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private static string TimeOf(KeptLetter letter) => letter.Time?.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture) ?? NotKnown;

    private static string Shown(string value) => value.Length == 0 ? NotKnown : PrintableText.Of(value);

    private static string Row(string place, string time, string reason, string field, string size, string source) =>
        string.Create(CultureInfo.InvariantCulture, $"{place,-12}  {time,-24}  {reason,-20}  {field,-15}  {size,10}  {source}");
}
