using System.Text;
using System.Text.Json;
using Sheaf.Files;
using Sheaf.Ingesting;
using Sheaf.Spans;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.SystemTests.Files;

/// <summary>Dead letters: every byte of the message is kept, with the reason.</summary>
public sealed class DeadLetterFileTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<byte[]> Messages =>
    [
        [],
        [.. """{"trace_id":"x","s":"\"\\\u0000"}"""u8],
        [.. "é 日本 𝄞 \u2028 <&>'"u8, 0, 7, 27, 127],
        [0xff, 0xfe, 1],
        [.. "truncated é"u8[..^1]],
        [.. Enumerable.Repeat("𝄞é\"a"u8.ToArray(), 40_000).SelectMany(bytes => bytes)],
        [.. Enumerable.Range(0, 300_001).Select(i => (byte)(i * 7919))],
    ];

    [Theory]
    [MemberData(nameof(Messages))]
    public async Task The_message_is_kept_byte_for_byte(byte[] message)
    {
        string path = _folder.File("dead");
        await WriteAsync(path, message, message);
        string[] lines = await File.ReadAllLinesAsync(path);
        Assert.Equal(2, lines.Length);
        foreach (string line in lines) Assert.Equal(message, MessageOf(line));
    }

    [Fact]
    public async Task A_letter_says_what_where_and_when()
    {
        string path = _folder.File("dead");
        await WriteAsync(path, [.. "{}"u8]);
        using JsonDocument letter = JsonDocument.Parse(await File.ReadAllTextAsync(path));
        Assert.Equal(["reason", "field", "error", "source", "shard", "line", "time", "message"], letter.RootElement.EnumerateObject().Select(property => property.Name));
        Assert.Equal("missing", letter.RootElement.GetProperty("reason").GetString());
        Assert.Equal("trace_id", letter.RootElement.GetProperty("field").GetString());
        Assert.Contains("trace_id", letter.RootElement.GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Equal("in.jsonl", letter.RootElement.GetProperty("source").GetString());
        Assert.Equal(2, letter.RootElement.GetProperty("shard").GetInt32());
        Assert.Equal(77, letter.RootElement.GetProperty("line").GetInt64());
        Assert.Equal(DateTimeOffset.UnixEpoch, letter.RootElement.GetProperty("time").GetDateTimeOffset());
    }

    [Fact]
    public async Task The_file_is_made_with_the_first_letter_and_appended_to_later()
    {
        string path = _folder.File("dead");
        await new DeadLetterFile(path, TimeProvider.System).DisposeAsync();
        Assert.False(File.Exists(path));
        await WriteAsync(path, [1]);
        await WriteAsync(path, [2]);
        await File.AppendAllTextAsync(path, "{\"torn\":");
        await WriteAsync(path, [3]);
        string[] lines = await File.ReadAllLinesAsync(path);
        Assert.Equal([[1], [2], [3]], lines.Where((_, i) => i != 2).Select(MessageOf));
        Assert.Equal("{\"torn\":", lines[2]);
    }

    [Fact]
    public async Task A_large_message_is_not_copied_as_a_whole()
    {
        await using var file = new DeadLetterFile("/dev/null", new FixedTime());
        await file.WriteAsync([Letter([1])], default);
        byte[] message = new byte[20_000_000];
        Array.Fill(message, (byte)'"');
        long before = GC.GetAllocatedBytesForCurrentThread();
        ValueTask writing = file.WriteAsync([Letter(message)], default);
        Assert.True(writing.IsCompletedSuccessfully);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2_000_000);
        await writing;
    }

    [Fact]
    public async Task What_cannot_be_stored_is_an_error_and_what_was_stored_stays_whole()
    {
        if (File.Exists("/dev/full"))
            Assert.Contains("/dev/full", (await Assert.ThrowsAsync<SinkException>(() => WriteAsync("/dev/full", [1]))).Message, StringComparison.Ordinal);
        Assert.Contains("directory does not exist", (await Assert.ThrowsAsync<ConfigurationException>(() => WriteAsync(_folder.File("no/dead"), [1]))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_other_way_is_to_stop()
    {
        await using var stop = new StopOnDeadLetter();
        RunStoppedException stopped = await Assert.ThrowsAsync<RunStoppedException>(async () => await stop.WriteAsync([Letter([.. "{}"u8])], default));
        Assert.Contains("in.jsonl:77", stopped.Message, StringComparison.Ordinal);
        Assert.Contains("trace_id", stopped.Message, StringComparison.Ordinal);
    }

    private static DeadLetter Letter(byte[] message) => new(new SpanFault(SpanFaultKind.Missing, SpanField.TraceId, 0), "in.jsonl", new ShardId(2), 77, message);

    private static async Task WriteAsync(string path, params byte[][] messages)
    {
        await using var file = new DeadLetterFile(path, new FixedTime());
        await file.WriteAsync([.. messages.Select(Letter)], default);
    }

    private static byte[] MessageOf(string line)
    {
        using JsonDocument letter = JsonDocument.Parse(line);
        return letter.RootElement.TryGetProperty("message", out JsonElement text)
            ? Encoding.UTF8.GetBytes(text.GetString()!)
            : letter.RootElement.GetProperty("message_base64").GetBytesFromBase64();
    }

    private sealed class FixedTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch;
    }
}
