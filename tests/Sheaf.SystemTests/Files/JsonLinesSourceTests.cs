using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using Sheaf.Files;
using Sheaf.Ingesting;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.SystemTests.Files;

/// <summary>Lines in, as messages: their cutting, numbering, gzip, and what is said when a file cannot be read.</summary>
public sealed class JsonLinesSourceTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, string[]> Contents => new()
    {
        { "", [] },
        { "\n", [] },
        { " \t\r\n", [] },
        { "\uFEFFa\n\uFEFFb\n\uFEFF\nc", ["a", "b", "", "c"] },
        { " \r\na\n \n\n b \n", ["", "a", "", "", " b "] },
        { "a", ["a"] },
        { "a\n", ["a"] },
        { "a\nb", ["a", "b"] },
        { "a\r\nb\r\n", ["a", "b"] },
        { "a\r\r\n\r\n", ["a\r"] },
        { "a\rb\n", ["a\rb"] },
        { "\n\na\n\n", ["", "", "a"] },
        { "a\u2028b\u0085c\vd\n", ["a\u2028b\u0085c\vd"] },
        { "ab\r", ["ab"] },
        { "{\"a\":1}\n{\"b\":\"é\"}\n", ["{\"a\":1}", "{\"b\":\"é\"}"] },
    };

    [Theory]
    [MemberData(nameof(Contents))]
    public async Task Lines_end_with_a_line_feed_only_whatever_the_blocks_are(string content, string[] expected)
    {
        foreach (bool gzip in new[] { false, true })
        {
            string path = Write("lines", gzip ? Gzip(content) : Encoding.UTF8.GetBytes(content));
            foreach (int block in new[] { 2, 3, 5, 1000 }) Assert.Equal(expected, await ReadAllAsync(path, block));
        }
    }

    [Fact]
    public async Task Random_files_come_out_line_by_line_from_any_block_size()
    {
        for (int seed = 0; seed < 60; seed++)
        {
            var random = new Random(seed);
            string[] lines = [.. Enumerable.Range(0, random.Next(1, 50)).Select(_ => new string('x', random.Next(5) == 0 ? random.Next(3000) : random.Next(20)))];
            string content = string.Join('\n', lines) + (lines[^1].Length == 0 || random.Next(2) == 0 ? "\n" : "");
            byte[] bytes = random.Next(3) switch
            {
                0 => Gzip(content),
                1 => [.. Gzip(content[..(content.Length / 2)]), .. Gzip(""), .. Gzip(content[(content.Length / 2)..]), .. new byte[random.Next(20)]],
                _ => Encoding.UTF8.GetBytes(content),
            };
            string[] read = await ReadAllAsync(Write("random", bytes), random.Next(2, 500));
            Assert.True(lines.AsSpan().TrimEnd("").SequenceEqual(read), $"seed {seed}");
        }
    }

    [Fact]
    public async Task A_recorded_file_comes_out_as_it_is_plain_and_compressed()
    {
        string file = RepositoryFiles.CorpusSpans()[0];
        string[] expected = await File.ReadAllLinesAsync(file);
        Assert.Equal(expected, await ReadAllAsync(file));
        byte[] bytes = await File.ReadAllBytesAsync(file);
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.SmallestSize, leaveOpen: true)) gzip.Write(bytes);
        Assert.Equal(expected, await ReadAllAsync(Write("corpus.gz", compressed.ToArray())));
    }

    [Fact]
    public async Task A_line_larger_than_the_block_grows_it_and_the_next_blocks_are_small_again()
    {
        string path = Write("long", Encoding.UTF8.GetBytes("a\n" + new string('b', 100_000) + "\n" + string.Concat(Enumerable.Repeat("cc\n", 2000))));
        await using JsonLinesSource source = await JsonLinesSource.OpenAsync(path, default, blockBytes: 300);
        var block = new InputBlock(300);
        int longest = 0;
        int most = 0;
        while (await source.ReadAsync(block, default))
        {
            foreach (InputMessage message in block.Messages) longest = Math.Max(longest, message.Length);
            most = Math.Max(most, block.Messages.Length);
        }
        Assert.Equal(100_000, longest);
        Assert.InRange(most, 50, 200);
    }

    [Theory]
    [InlineData(100, 100, true)]
    [InlineData(101, 100, false)]
    [InlineData(5000, 100, false)]
    [InlineData(101, 10, false)]
    [InlineData(100, 10, true)]
    [InlineData(101, 100_000, false)]
    public async Task A_line_over_the_limit_ends_the_input_after_the_lines_before_it(int length, int block, bool allowed)
    {
        string path = Write("limit", Encoding.UTF8.GetBytes("one\r\n" + new string('x', length) + "\r\nthree\n"));
        var read = new List<string>();
        Task<List<string>> reading = ReadIntoAsync(path, read, block, maxMessageBytes: 100);
        if (allowed)
        {
            await reading;
            Assert.Equal(["one", new string('x', length), "three"], read);
            return;
        }
        SourceException failure = await Assert.ThrowsAsync<SourceException>(() => reading);
        Assert.Equal(["one"], read);
        Assert.Contains(path, failure.Message, StringComparison.Ordinal);
        Assert.Contains("line 2", failure.Message, StringComparison.Ordinal);
        Assert.Contains("100 bytes", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gzip_that_ends_too_early_gives_every_whole_line_and_then_says_so()
    {
        string[] lines = [.. Enumerable.Range(0, 3000).Select(i => $"{{\"n\":{i},\"x\":{i * 7919 % 10007}}}")];
        byte[] whole = Gzip(string.Join('\n', lines) + "\n");
        int[] cuts = [2, 9, 10, 15, whole.Length / 3, whole.Length - 9, whole.Length - 8, whole.Length - 1];
        foreach (int cut in cuts)
        {
            foreach (byte[] bytes in new[] { whole[..cut], [.. whole, .. whole[..cut]] })
            {
                var read = new List<string>();
                SourceException failure = await Assert.ThrowsAsync<SourceException>(() => ReadIntoAsync(Write("cut.gz", bytes), read, 4096));
                Assert.Contains("cut.gz", failure.Message, StringComparison.Ordinal);
                Assert.Contains($"behind line {read.Count}", failure.Message, StringComparison.Ordinal);
                IEnumerable<string> expected = bytes.Length > whole.Length ? [.. lines, .. lines] : lines;
                Assert.Equal(expected.Take(read.Count), read);
                if (bytes.Length > whole.Length) Assert.InRange(read.Count, lines.Length, 2 * lines.Length);
                if (cut >= whole.Length - 8) Assert.Equal(bytes.Length > whole.Length ? 2 * lines.Length : lines.Length, read.Count);
            }
        }
    }

    [Fact]
    public async Task Damaged_gzip_is_never_taken_for_complete()
    {
        byte[] whole = Gzip(string.Concat(Enumerable.Range(0, 2000).Select(i => $"{i * 7919 % 10007}\n")));
        for (int at = 0; at < whole.Length; at += at < 3 || at > whole.Length - 9 ? 1 : 97)
        {
            if (at is > 3 and < 10) continue; // time, level and system of the header mean nothing
            byte[] damaged = [.. whole];
            damaged[at] ^= 0x10;
            if (at < 2) continue; // no gzip at all: lines of another kind
            await Assert.ThrowsAsync<SourceException>(() => ReadAllAsync(Write("damaged.gz", damaged)));
        }
        await Assert.ThrowsAsync<SourceException>(() => ReadAllAsync(Write("garbage.gz", [.. whole, 1, 2, 3])));
    }

    [Fact]
    public async Task Optional_fields_of_a_gzip_header_are_passed_over()
    {
        byte[] plain = Gzip("a\nb\n");
        byte[] full = [.. plain[..3], 0x1e, .. plain[4..10], 3, 0, 0, 0, 7, .. "name\0"u8, .. "comment\0"u8, 1, 2, .. plain[10..]];
        Assert.Equal(["a", "b", "a", "b"], await ReadAllAsync(Write("header.gz", [.. full, .. full])));
    }

    [Fact]
    public async Task What_cannot_be_opened_is_named_with_the_reason()
    {
        string missing = _folder.File("missing.jsonl");
        Assert.Contains($"{missing} does not exist", (await FailureAsync(missing)).Message, StringComparison.Ordinal);
        string inside = Path.Combine(missing, "file");
        Assert.Contains($"{inside} does not exist", (await FailureAsync(inside)).Message, StringComparison.Ordinal);
        Assert.Contains($"{_folder.Root} is a directory", (await FailureAsync(_folder.Root)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pipe_gives_what_is_there_without_waiting_for_a_full_block()
    {
        string pipe = _folder.File("pipe");
        await RunAsync("mkfifo", pipe);
        Task<JsonLinesSource> opening = JsonLinesSource.OpenAsync(pipe, default).AsTask();
        await using var writer = new FileStream(pipe, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        await using JsonLinesSource source = await opening;
        var block = new InputBlock(16);

        writer.Write("one\ntw"u8);
        Assert.True(await source.ReadAsync(block, default));
        Assert.Equal(["one"], TextOf(block));
        writer.Write("o\n"u8);
        Assert.True(await source.ReadAsync(block, default));
        Assert.Equal(["two"], TextOf(block));

        using var cancel = new CancellationTokenSource();
        Task<bool> waiting = source.ReadAsync(block, cancel.Token).AsTask();
        Assert.False(waiting.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    [Fact]
    public async Task Waiting_for_the_writer_of_a_pipe_can_be_cancelled()
    {
        string pipe = _folder.File("pipe");
        await RunAsync("mkfifo", pipe);
        using var cancel = new CancellationTokenSource();
        Task opening = JsonLinesSource.OpenAsync(pipe, cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening);
        await using var release = new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
    }

    [Fact]
    public async Task Gzip_comes_through_a_pipe_too()
    {
        string pipe = _folder.File("pipe");
        await RunAsync("mkfifo", pipe);
        byte[] bytes = Gzip(string.Concat(Enumerable.Repeat("line\n", 50_000)));
        Task<string[]> reading = ReadAllAsync(pipe);
        await using (var writer = new FileStream(pipe, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0))
        {
            writer.Write(bytes.AsSpan(0, 1));
            writer.Write(bytes.AsSpan(1));
        }
        Assert.Equal(50_000, (await reading).Length);
    }

    public static TheoryData<byte[], string> OtherForms => new()
    {
        { [0x28, 0xB5, 0x2F, 0xFD, 0x24, 10, 13, 10, 0], "zstd" },
        { [0xFD, .. "7zXZ"u8, 0, 10, 4], "xz" },
        { [.. "BZh91AY&SY"u8, 10], "bzip2" },
        { [.. "PK\u0003\u0004\n"u8], "zip" },
        { [.. Encoding.Unicode.Preamble, .. Encoding.Unicode.GetBytes("{\"a\":1}\n")], "UTF-16" },
        { Encoding.BigEndianUnicode.GetBytes("{\"a\":1}\n"), "UTF-16" },
        { [.. Encoding.UTF32.Preamble, .. Encoding.UTF32.GetBytes("{}\n")], "UTF-32" },
        { [.. new byte[257].Select(_ => (byte)'n'), .. "ustar\0"u8], "tar" },
        { "PAR1\n"u8.ToArray(), "Parquet" },
    };

    [Theory]
    [MemberData(nameof(OtherForms))]
    public async Task What_no_JSON_begins_with_is_named_and_nothing_of_it_is_read(byte[] begin, string named)
    {
        foreach (byte[] bytes in (byte[][])[begin, [.. begin, .. Enumerable.Repeat((byte)'\n', 100_000)], GzipOf(begin)])
        {
            var read = new List<string>();
            SourceException failure = await Assert.ThrowsAsync<SourceException>(() => ReadIntoAsync(Write("other", bytes), read, 700));
            Assert.Contains($"looks like ", failure.Message, StringComparison.Ordinal);
            Assert.Contains(named, failure.Message, StringComparison.Ordinal);
            Assert.Empty(read);
        }
    }

    [Theory]
    [InlineData("[{\"a\":1}]", "JSON array")]
    [InlineData("\uFEFF \n[\n", "JSON array")]
    [InlineData("{\n  \"a\": 1\n}\n", "several lines")]
    [InlineData("{\"a\":\n1}\n", "several lines")]
    [InlineData("a,b\n1,2\n", "text that is not JSON")]
    [InlineData("\u007fELF\u0001\n", "binary")]
    [InlineData("{\"a\":1}\n", null)]
    [InlineData("{\"a\":1", null)]
    [InlineData("", null)]
    public async Task What_may_be_another_form_is_read_as_lines_and_named_in_case_they_are_of_no_use(string content, string? named)
    {
        await using JsonLinesSource source = await JsonLinesSource.OpenAsync(Write("other", Encoding.UTF8.GetBytes(content)), default);
        Assert.Equal(content.Length > 0, await source.ReadAsync(new InputBlock(64), default));
        if (named is null) Assert.Null(source.LooksLike);
        else Assert.Contains(named, source.LooksLike, StringComparison.Ordinal);
    }

    private static async Task<SourceException> FailureAsync(string path) =>
        await Assert.ThrowsAsync<SourceException>(async () => await (await JsonLinesSource.OpenAsync(path, default)).DisposeAsync());

    private string Write(string name, byte[] bytes)
    {
        File.WriteAllBytes(_folder.File(name), bytes);
        return _folder.File(name);
    }

    private static byte[] Gzip(string content) => GzipOf(Encoding.UTF8.GetBytes(content));

    private static byte[] GzipOf(byte[] content)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Optimal, leaveOpen: true)) gzip.Write(content);
        // The platform writes nothing at all for nothing.
        return compressed.Length > 0 ? compressed.ToArray() : [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    }

    private static async Task<string[]> ReadAllAsync(string path, int blockBytes = JsonLinesSource.DefaultBlockBytes) =>
        [.. await ReadIntoAsync(path, [], blockBytes)];

    private static async Task<List<string>> ReadIntoAsync(
        string path, List<string> lines, int blockBytes, int maxMessageBytes = JsonLinesSource.DefaultMaxMessageBytes)
    {
        await using JsonLinesSource source = await JsonLinesSource.OpenAsync(path, default, blockBytes, maxMessageBytes);
        InputBlock[] blocks = [new InputBlock(64), new InputBlock(8)]; // in turns, as ingest loops give them
        for (int turn = 0; await source.ReadAsync(blocks[turn % 2], default); turn++)
        {
            InputBlock block = blocks[turn % 2];
            Assert.NotEqual(0, block.Messages.Length);
            Assert.Null(block.Shard);
            foreach (InputMessage message in block.Messages)
            {
                while (lines.Count + 1 < message.SourceOffset) lines.Add(""); // blank ones were passed over, and count
                lines.Add(Encoding.UTF8.GetString(block.BytesOf(message)));
                Assert.Equal(lines.Count, message.SourceOffset);
                Assert.Equal(InputMessage.NoTimestamp, message.TimestampMs);
            }
        }
        Assert.False(await source.ReadAsync(blocks[0], default));
        return lines;
    }

    private static string[] TextOf(InputBlock block) => [.. block.Messages.ToArray().Select(message => Encoding.UTF8.GetString(block.BytesOf(message)))];

    private static async Task RunAsync(string program, string argument)
    {
        using Process process = Process.Start(program, [argument]);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }
}
