using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Sheaf.Configuration;

/// <summary>The configuration file: one JSON object whose keys are option names. Comments and trailing commas are allowed.</summary>
internal static class FileLayer
{
    /// <summary>More than all options can need: what is longer is something else.</summary>
    private const int MostBytes = 1 << 24;

    private static readonly JsonReaderOptions ReaderOptions = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>Reads the file. That it cannot be read is a fault as well.</summary>
    public static ConfigurationLayer ReadFile(string path)
    {
        try
        {
            return Read(path, ReadContent(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new ConfigurationLayer([], [new ConfigurationFault(OptionTable.Config.CommandLineName, $"'{path}' cannot be read: {e.Message}")]);
        }
    }

    /// <exception cref="IOException">It cannot be read (or <see cref="UnauthorizedAccessException"/>), or has no end.</exception>
    public static byte[] ReadContent(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        using var content = new MemoryStream();
        byte[] room = new byte[1 << 14];
        while (file.Read(room) is > 0 and var count)
        {
            content.Write(room, 0, count);
            if (content.Length > MostBytes) throw new IOException($"it is longer than {MostBytes} bytes, which no configuration is");
        }
        return content.ToArray();
    }

    /// <param name="path">For messages.</param>
    public static ConfigurationLayer Read(string path, ReadOnlySpan<byte> utf8)
    {
        if (utf8.StartsWith(Encoding.UTF8.Preamble)) utf8 = utf8[Encoding.UTF8.Preamble.Length..];
        var values = new List<GivenValue>();
        var faults = new List<ConfigurationFault>();
        if (!Utf8.IsValid(utf8))
        {
            int valid = ValidLength(utf8);
            faults.Add(new ConfigurationFault(
                path, $"is not UTF-8 text: byte {valid + 1} is none of it; save it as UTF-8", OptionSource.File(path, LineOf(utf8, valid))));
            return new ConfigurationLayer(values, faults);
        }
        if (utf8.Trim(" \t\r\n"u8).IsEmpty)
        {
            faults.Add(new ConfigurationFault(path, "is empty; a file without options is {}", OptionSource.File(path, 1)));
            return new ConfigurationLayer(values, faults);
        }
        var reader = new Utf8JsonReader(utf8, ReaderOptions);
        try
        {
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                faults.Add(new ConfigurationFault(path, "is not a JSON object with options", OptionSource.File(path, 1)));
                return new ConfigurationLayer(values, faults);
            }
            var lines = new Dictionary<string, int>(StringComparer.Ordinal);
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string? name = TextOf(ref reader);
                int line = LineOf(utf8, reader.TokenStartIndex);
                reader.Read();
                if (name is null)
                {
                    faults.Add(new ConfigurationFault(path, $"a name of an option is {HalfPair}", OptionSource.File(path, line)));
                    reader.Skip();
                    continue;
                }
                string? text = ValueText(ref reader, out string? problem);
                OptionSource source = OptionSource.File(path, line);
                OptionSpec? option = OptionTable.All.FirstOrDefault(o => o.InFile && o.Name == name);
                if (option is null)
                    faults.Add(new ConfigurationFault($"\"{name}\"", "there is no such option" + NearestName.Hint(name, OptionTable.All.Where(o => o.InFile).Select(o => o.Name)), source));
                else if (!lines.TryAdd(name, line))
                    faults.Add(new ConfigurationFault(option.CommandLineName, $"is given twice, first in line {lines[name]}", source));
                else if (text is null)
                    faults.Add(new ConfigurationFault(option.CommandLineName, $"{problem} is not {option.Range}", source));
                else
                    values.Add(new GivenValue(option, text, source));
            }
            reader.Read(); // something behind the object throws
        }
        catch (JsonException e)
        {
            faults.Add(new ConfigurationFault(path, "is not valid JSON: " + e.Message.Split(" LineNumber:")[0], OptionSource.File(path, (int)(e.LineNumber ?? 0) + 1)));
        }
        return new ConfigurationLayer(values, faults);
    }

    /// <summary>The value as it would stand on the command line; null, and what it is, where it could not stand there.</summary>
    private static string? ValueText(ref Utf8JsonReader reader, out string? problem)
    {
        problem = null;
        switch (reader.TokenType)
        {
            case JsonTokenType.String:
                if (TextOf(ref reader) is { } text) return text;
                problem = HalfPair;
                return null;
            case JsonTokenType.Number:
                return Encoding.UTF8.GetString(reader.ValueSpan);
            case JsonTokenType.True:
                return "true";
            case JsonTokenType.False:
                return "false";
            case JsonTokenType.StartArray:
                var parts = new List<string>();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    if (reader.TokenType is JsonTokenType.String or JsonTokenType.Number)
                    {
                        if (ValueText(ref reader, out string? ofPart) is { } part) parts.Add(part);
                        else problem ??= $"a list with {ofPart}";
                        continue;
                    }
                    problem ??= "a list of other things than texts and numbers";
                    reader.Skip();
                }
                return problem is null ? string.Join(',', parts) : null;
            case JsonTokenType.StartObject:
                problem = "an object";
                reader.Skip();
                return null;
            default:
                problem = "null";
                return null;
        }
    }

    private const string HalfPair = "text with half a surrogate pair (\\ud800 to \\udfff alone)";

    /// <summary>The text of a name or a string; null where its escapes make none. The reader tells it in no other way.</summary>
    private static string? TextOf(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static int ValidLength(ReadOnlySpan<byte> utf8)
    {
        int at = 0;
        while (Rune.DecodeFromUtf8(utf8[at..], out _, out int length) == OperationStatus.Done) at += length;
        return at;
    }

    private static int LineOf(ReadOnlySpan<byte> utf8, long position) => 1 + utf8[..(int)position].Count((byte)'\n');
}
