using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using Sheaf.Ingesting;
using Sheaf.Spans;

namespace Sheaf.Files;

/// <summary>
/// Dead letters as JSON lines: reason, field, error, source, shard, line, time, and the message byte for byte (<c>message</c>, or
/// <c>message_base64</c> where it is not UTF-8). The file is created with the first letter; one that exists is appended to. One writer at a time.
/// </summary>
public sealed class DeadLetterFile(string path, TimeProvider time) : IDeadLetterSink
{
    private const int ChunkBytes = 48 << 10; // divisible by 3: base64 of it has no padding

    // Messages are mostly JSON: as few escapes as JSON needs.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    private readonly ArrayBufferWriter<byte> _line = new(4 * ChunkBytes);
    private Utf8JsonWriter? _json;
    private OutputFile? _file;

    /// <inheritdoc/>
    public async ValueTask WriteAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancel)
    {
        _file ??= await OutputFile.OpenAsync(path, "dead letters", ExistingContent.Append, cancel);
        _json ??= new Utf8JsonWriter(_line, Options);
        foreach (DeadLetter letter in letters) Write(letter, _json, _file);
    }

    /// <summary>Brings the file to the disk and closes it. Doing it again does nothing.</summary>
    /// <exception cref="SinkException">The disk did not take it.</exception>
    public async ValueTask DisposeAsync()
    {
        if (_json is not null) await _json.DisposeAsync();
        using OutputFile? file = _file;
        _file = null;
        file?.Flush();
    }

    private void Write(in DeadLetter letter, Utf8JsonWriter json, OutputFile file)
    {
        ReadOnlySpan<byte> message = letter.Message.Span;
        _line.ResetWrittenCount();
        json.Reset();
        json.WriteStartObject();
        json.WriteString("reason"u8, letter.Fault.Kind.Name());
        json.WriteString("field"u8, letter.Fault.Field.Name());
        json.WriteString("error"u8, letter.Fault.Describe(message));
        json.WriteString("source"u8, letter.Source);
        json.WriteNumber("shard"u8, letter.Shard.Value);
        json.WriteNumber("line"u8, letter.SourceOffset);
        json.WriteString("time"u8, time.GetUtcNow());

        // In pieces: a message may be as large as the input allows, and is neither copied nor escaped as a whole.
        bool isText = Utf8.IsValid(message);
        json.WritePropertyName(isText ? "message"u8 : "message_base64"u8);
        do
        {
            ReadOnlySpan<byte> chunk = message[..Math.Min(ChunkBytes, message.Length)];
            message = message[chunk.Length..];
            if (isText) json.WriteStringValueSegment(chunk, isFinalSegment: message.IsEmpty);
            else json.WriteBase64StringSegment(chunk, isFinalSegment: message.IsEmpty);
            if (!message.IsEmpty) WriteOut(json, file);
        }
        while (!message.IsEmpty);

        json.WriteEndObject();
        json.Flush();
        _line.Write("\n"u8);
        WriteOut(json, file);
        file.Commit();
    }

    private void WriteOut(Utf8JsonWriter json, OutputFile file)
    {
        json.Flush();
        file.Write(_line.WrittenSpan);
        _line.ResetWrittenCount();
    }
}
