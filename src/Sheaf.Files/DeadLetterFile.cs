using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.Win32.SafeHandles;
using Sheaf.Ingesting;
using Sheaf.Spans;

namespace Sheaf.Files;

/// <summary>
/// Dead letters as JSON lines: reason, field, error, source, shard, line, time, and the message byte for byte (<c>message</c>, or
/// <c>message_base64</c> where it is not UTF-8). The file is created with the first letter; one that exists is appended to, also by several instances at a
/// time: whole letters, in turns, by lock. One that was renamed or removed meanwhile is begun anew. One writer of this object at a time.
/// </summary>
public sealed class DeadLetterFile(string path, TimeProvider time) : IDeadLetterSink
{
    private const string Purpose = "dead letters";
    private const int ChunkBytes = 48 << 10; // divisible by 3: base64 of it has no padding

    // Messages are mostly JSON: as few escapes as JSON needs.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    private readonly ArrayBufferWriter<byte> _line = new(4 * ChunkBytes);
    private Utf8JsonWriter? _json;
    private OutputStream? _stream; // a pipe or a device
    private SafeFileHandle? _file;
    private FileStatus _status; // of the file
    private long _end; // of what is written, while it is this writer's turn

    /// <inheritdoc/>
    public async ValueTask WriteAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancel)
    {
        _json ??= new Utf8JsonWriter(_line, Options);
        if (_stream is null && FileStatus.Of(path).Kind is not (FileKind.Missing or FileKind.RegularFile)) _stream = await OutputStream.OpenAsync(path, Purpose, cancel);
        if (_stream is not null)
        {
            foreach (DeadLetter letter in letters) Write(letter, _json);
            return;
        }
        SafeFileHandle file = await TakeTurnAsync(cancel);
        try
        {
            Append(letters, _json, file);
        }
        finally
        {
            FileLock.GiveBack(file, FileLock.Turn);
        }
    }

    /// <summary>Brings the file to the disk and closes it. Doing it again does nothing.</summary>
    /// <exception cref="SinkException">The disk did not take it.</exception>
    public async ValueTask DisposeAsync()
    {
        if (_json is not null) await _json.DisposeAsync();
        _stream?.Dispose();
        using SafeFileHandle? file = _file;
        _file = null;
        try
        {
            if (file is not null) RandomAccess.FlushToDisk(file);
        }
        catch (IOException e)
        {
            throw new SinkException($"{Purpose}: {path}: could not be brought to the disk: {e.Message}; make room or mend the output", e);
        }
    }

    /// <summary>Waits for this writer's turn in the file that is at the path then.</summary>
    private async ValueTask<SafeFileHandle> TakeTurnAsync(CancellationToken cancel)
    {
        while (true)
        {
            if (_file is null)
            {
                _file = OutputFault.OfOpening(path, Purpose, () =>
                    File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete));
                _status = FileStatus.Of(_file);
            }
            await FileLock.TakeAsync(_file, FileLock.Turn, time, cancel);
            if (FileStatus.Of(path).IsSameFile(_status)) return _file;
            _file.Dispose(); // the lock with it
            _file = null;
        }
    }

    private void Append(IReadOnlyList<DeadLetter> letters, Utf8JsonWriter json, SafeFileHandle file)
    {
        long whole = 0;
        try
        {
            whole = _end = RandomAccess.GetLength(file);
            // A line that a crash has torn must not swallow the next one. It is somebody's work, and stays.
            Span<byte> last = stackalloc byte[1];
            if (whole > 0 && RandomAccess.Read(file, last, whole - 1) == 1 && last[0] != '\n') Put("\n"u8);
            foreach (DeadLetter letter in letters)
            {
                whole = _end;
                Write(letter, json);
            }
        }
        catch (Exception e) when (OutputFault.IsOfWriting(e))
        {
            string torn = "";
            try
            {
                RandomAccess.SetLength(file, whole);
            }
            catch (Exception cut) when (OutputFault.IsOfWriting(cut))
            {
                torn = $" (and it could not be cut back to its last whole line: {cut.Message})";
            }
            throw new SinkException(
                $"{Purpose}: {path}: a message could not be written behind byte {whole}: {e.Message}{torn}; make room or mend the output", e);
        }
    }

    private void Write(in DeadLetter letter, Utf8JsonWriter json)
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
            if (!message.IsEmpty) WriteOut(json);
        }
        while (!message.IsEmpty);

        json.WriteEndObject();
        json.Flush();
        _line.Write("\n"u8);
        WriteOut(json);
    }

    private void WriteOut(Utf8JsonWriter json)
    {
        json.Flush();
        Put(_line.WrittenSpan);
        _line.ResetWrittenCount();
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        if (_stream is not null)
        {
            _stream.Write(bytes);
            return;
        }
        RandomAccess.Write(_file!, bytes, _end);
        _end += bytes.Length;
    }
}
