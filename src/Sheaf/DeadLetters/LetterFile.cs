using System.Globalization;
using System.Text;
using System.Text.Json;
using Sheaf.Dev;

namespace Sheaf.DeadLetters;

/// <summary>Dead letters as <see cref="Files.DeadLetterFile"/> writes them, line by line.</summary>
internal sealed class LetterFile : ILetterSource
{
    private const int LinesPerRead = 50;

    private readonly FileStream _stream;
    private readonly LineReader _lines;
    private readonly Action<string> _unreadable;
    private readonly long _length; // a run that appends meanwhile is not read
    private long _read;

    private LetterFile(string path, FileStream stream, Action<string> unreadable)
    {
        Name = path;
        _stream = stream;
        _length = stream.Length;
        _lines = new LineReader(stream);
        _unreadable = unreadable;
    }

    public string Name { get; }

    /// <param name="unreadable">Told of each line that is no dead letter (one that a crash has torn, for instance); it is passed over.</param>
    /// <exception cref="SourceException">It cannot be opened.</exception>
    public static LetterFile Open(string path, Action<string> unreadable)
    {
        try
        {
            return new LetterFile(path, new FileStream(path, new FileStreamOptions { Share = FileShare.ReadWrite | FileShare.Delete, Options = FileOptions.SequentialScan, BufferSize = 0 }), unreadable);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SourceException($"dead letters: {path} cannot be read: {e.Message}", e);
        }
    }

    public async ValueTask<IReadOnlyList<KeptLetter>> ReadAsync(CancellationToken cancel)
    {
        var letters = new List<KeptLetter>();
        try
        {
            while (letters.Count < LinesPerRead && _read < _length && await _lines.ReadAsync(cancel))
            {
                _read += _lines.Line.Length + 1;
                if (Parse(_lines.Line, _lines.Number) is { } letter) letters.Add(letter);
                else if (_lines.Line.Length > 0) _unreadable(string.Create(CultureInfo.InvariantCulture, $"{Name}: line {_lines.Number} is no dead letter, or a torn one; it is passed over"));
            }
        }
        catch (IOException e)
        {
            throw new SourceException($"dead letters: {Name} cannot be read on behind line {_lines.Number}: {e.Message}", e);
        }
        return letters;
    }

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private static KeptLetter? Parse(ReadOnlyMemory<byte> line, long number)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(line);
            JsonElement root = json.RootElement;
            if (root.ValueKind != JsonValueKind.Object || MessageOf(root) is not { } message) return null;
            return new KeptLetter
            {
                Place = LetterPlace.Line(number),
                Time = root.TryGetProperty("time", out JsonElement time) && time.ValueKind == JsonValueKind.String && time.TryGetDateTimeOffset(out DateTimeOffset at) ? at : null,
                Reason = TextOf(root, "reason"),
                Field = TextOf(root, "field"),
                Error = TextOf(root, "error"),
                Source = TextOf(root, "source"),
                SourcePartition = root.TryGetProperty("shard", out JsonElement shard) && shard.ValueKind == JsonValueKind.Number && shard.TryGetInt32(out int partition) ? partition : null,
                SourceOffset = root.TryGetProperty("line", out JsonElement place) && place.ValueKind == JsonValueKind.Number && place.TryGetInt64(out long offset) ? offset : null,
                Message = message,
            };
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static byte[]? MessageOf(JsonElement root)
    {
        if (root.TryGetProperty("message", out JsonElement text) && text.ValueKind == JsonValueKind.String) return Encoding.UTF8.GetBytes(text.GetString()!);
        return root.TryGetProperty("message_base64", out JsonElement coded) && coded.ValueKind == JsonValueKind.String && coded.TryGetBytesFromBase64(out byte[]? bytes) ? bytes : null;
    }

    private static string TextOf(JsonElement root, string name) => root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
