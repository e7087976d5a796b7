using System.Diagnostics;
using System.Text.Json;
using Sheaf.Files;
using Sheaf.Flushing;
using Sheaf.Segments;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.SystemTests.Files;

/// <summary>Lines out: whole ones, in one output, by several workers, and what happens when the output does not take them.</summary>
public sealed class JsonLinesSinkTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private readonly ControlBlock _control = new(workers: 1, shards: 1);

    public void Dispose()
    {
        _control.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Batches_are_written_as_they_are()
    {
        string path = _folder.File("out");
        SegmentBatch first = SegmentBatches.Numbered(0, 3, 10);
        SegmentBatch second = SegmentBatches.Numbered(3, 2, 5000);
        await ProduceAsync(path, overwrite: false, first, new SegmentBatch(), second);
        byte[] written = await File.ReadAllBytesAsync(path);
        Assert.Equal([.. first.Bytes.Span, .. second.Bytes.Span], written);
    }

    [Fact]
    public async Task A_file_with_content_is_only_overwritten_when_allowed()
    {
        string path = _folder.File("out");
        await File.WriteAllTextAsync(path, new string('x', 100_000));
        string refusal = (await Assert.ThrowsAsync<ConfigurationException>(() => ProduceAsync(path, overwrite: false))).Message;
        Assert.Contains(path, refusal, StringComparison.Ordinal);
        Assert.Contains("--overwrite", refusal, StringComparison.Ordinal);
        Assert.Equal(100_000, new FileInfo(path).Length);

        SegmentBatch batch = SegmentBatches.Numbered(0, 1, 10);
        await ProduceAsync(path, overwrite: true, batch);
        Assert.Equal(batch.Bytes.ToArray(), await File.ReadAllBytesAsync(path));

        await File.WriteAllTextAsync(path, "");
        await ProduceAsync(path, overwrite: false, batch);
        Assert.Equal(batch.Length, new FileInfo(path).Length);
    }

    [Fact]
    public async Task Lines_of_several_workers_never_mix()
    {
        string path = _folder.File("out");
        using (IAppendLines output = await OpenAsync(path))
        {
            await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
            {
                await using var client = new JsonLinesSink(output, withHeaders: false);
                for (int i = 0; i < 50; i++) await client.ProduceAsync(SegmentBatches.Numbered(1000 * worker + 3 * i, 3, 700), default);
            })));
        }
        int[] numbers = [.. (await File.ReadAllLinesAsync(path)).Select(NumberOf)];
        Assert.Equal(600, numbers.Distinct().Count());
        Assert.Equal(600, numbers.Length);
        for (int worker = 0; worker < 4; worker++)
        {
            int[] own = [.. numbers.Where(number => number / 1000 == worker)];
            Assert.Equal(own.Order(), own);
        }
    }

    [Fact]
    public async Task Headers_stand_beside_the_message()
    {
        string path = _folder.File("out");
        SegmentBatch batch = SegmentBatches.Of("""{"a":1}""", """{"a":2}""");
        await ProduceAsync(path, withHeaders: true, batch);
        string[] lines = await File.ReadAllLinesAsync(path);
        Assert.Equal(2, lines.Length);
        string id = batch.Messages[0].FlushId.ToString("x32");
        Assert.Equal(
            "{\"headers\":{\"project_id\":7,\"trace_id\":\"00000000000000010000000000000002\",\"segment_id\":\"00000000000000ab\",\"flush_id\":\"" + id
            + "\",\"flush_reason\":\"root_timeout\",\"has_root\":true,\"span_count\":1,\"first_stored\":1000,\"last_stored\":1000,\"shard\":3,"
            + "\"lowest_offset\":40,\"highest_offset\":40,\"missing_parents\":0},\"value\":"
            + System.Text.Encoding.UTF8.GetString(batch.BodyOf(batch.Messages[0])) + "}",
            lines[0]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Line_feeds_between_tokens_become_spaces_so_that_a_message_is_a_line(bool withHeaders)
    {
        string path = _folder.File("out");
        await ProduceAsync(path, withHeaders, SegmentBatches.Of("{\n  \"n\": 1,\n  \"s\": \"a\\nb\"\n}", """{"n":2}"""));
        string[] lines = await File.ReadAllLinesAsync(path);
        Assert.Equal(2, lines.Length);
        Assert.Contains("{\"is_segment\":true,\"attributes\":", lines[0], StringComparison.Ordinal);
        Assert.Contains(",   \"n\": 1,   \"s\": \"a\\nb\" }", lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fenced_client_produces_nothing_and_the_others_go_on()
    {
        string path = _folder.File("out");
        SegmentBatch batch = SegmentBatches.Numbered(0, 1, 10);
        using (IAppendLines output = await OpenAsync(path))
        {
            await using var old = new JsonLinesSink(output, withHeaders: false);
            await using var next = new JsonLinesSink(output, withHeaders: false);
            await old.ProduceAsync(batch, default);
            old.Fence();
            await Assert.ThrowsAsync<ClaimLapsedException>(() => old.ProduceAsync(batch, default).AsTask());
            await next.ProduceAsync(batch, default);
        }
        Assert.Equal(2 * batch.Length, new FileInfo(path).Length);
    }

    [Fact]
    public async Task A_client_fenced_while_it_waits_for_its_turn_produces_nothing()
    {
        string pipe = _folder.File("pipe");
        await RunAsync("mkfifo", pipe);
        await using var reader = new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        IAppendLines output = await OpenAsync(pipe);
        await using var stuck = new JsonLinesSink(output, withHeaders: false);
        await using var waiting = new JsonLinesSink(output, withHeaders: false);
        SegmentBatch large = SegmentBatches.Numbered(0, 1, 1 << 20);
        Task first = stuck.ProduceAsync(large, default).AsTask();
        Task second = waiting.ProduceAsync(SegmentBatches.Numbered(1, 1, 1), default).AsTask();
        waiting.Fence();
        byte[] read = new byte[large.Length];
        await reader.ReadExactlyAsync(read);
        await first;
        await Assert.ThrowsAsync<ClaimLapsedException>(() => second);
        Assert.Equal(large.Bytes.ToArray(), read);
        output.Dispose();
    }

    [Fact]
    public async Task A_pipe_that_nobody_reads_holds_no_one_who_is_cancelled()
    {
        string pipe = _folder.File("pipe");
        await RunAsync("mkfifo", pipe);
        await using var reader = new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        IAppendLines output = await OpenAsync(pipe);
        await using var client = new JsonLinesSink(output, withHeaders: false);
        using var cancel = new CancellationTokenSource();
        SegmentBatch large = SegmentBatches.Numbered(0, 1, 1 << 20);
        Task stuck = client.ProduceAsync(large, cancel.Token).AsTask();
        byte[] read = new byte[large.Length];
        await reader.ReadExactlyAsync(read.AsMemory(0, 1)); // it is in the middle of it
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stuck);
        output.Dispose();
        await reader.ReadExactlyAsync(read.AsMemory(1)); // lets the abandoned write end
        Assert.Equal(large.Bytes.ToArray(), read);
    }

    [Fact]
    public async Task A_writer_that_is_cancelled_stops_between_two_lines_as_long_as_the_reader_goes_on()
    {
        string pipe = _folder.File("pipe");
        await RunAsync("mkfifo", pipe);
        Task<FileStream> opening = Task.Run(() => new FileStream(pipe, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0));
        using IAppendLines output = await OpenAsync(pipe);
        await using FileStream reader = await opening;
        await using var client = new JsonLinesSink(output, withHeaders: false);
        using var cancel = new CancellationTokenSource();
        SegmentBatch batch = SegmentBatches.Numbered(0, 300, 6000); // each line more than a pipe takes at once
        Task writing = client.ProduceAsync(batch, cancel.Token).AsTask();
        using var read = new MemoryStream();
        read.WriteByte((byte)reader.ReadByte());
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing);
        Task<bool> finishing = FinishAsync();
        await reader.CopyToAsync(read);
        Assert.True(await finishing);

        byte[] written = read.ToArray();
        Assert.InRange(written.Length, 1, batch.Length - 1);
        Assert.Equal((byte)'\n', written[^1]);
        Assert.Equal(batch.Bytes[..written.Length].ToArray(), written);

        async Task<bool> FinishAsync()
        {
            bool isWhole = await output.FinishAsync(default);
            output.Dispose();
            return isWhole;
        }
    }

    [Fact]
    public async Task A_line_that_nobody_takes_is_told_not_to_be_whole()
    {
        string pipe = _folder.File("pipe");
        await RunAsync("mkfifo", pipe);
        await using var reader = new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        using IAppendLines output = await OpenAsync(pipe);
        await using var client = new JsonLinesSink(output, withHeaders: false);
        using var cancel = new CancellationTokenSource();
        Task stuck = client.ProduceAsync(SegmentBatches.Numbered(0, 1, 1 << 20), cancel.Token).AsTask();
        Assert.NotEqual(-1, reader.ReadByte());
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stuck);
        Assert.False(await output.FinishAsync(new CancellationToken(canceled: true)));
    }

    [Fact]
    public async Task A_full_device_is_named_with_the_reason()
    {
        if (!File.Exists("/dev/full")) return; // only Linux has it
        SinkException failure = await Assert.ThrowsAsync<SinkException>(() => ProduceAsync("/dev/full", withHeaders: false, SegmentBatches.Numbered(0, 1, 10)));
        Assert.Contains("/dev/full", failure.Message, StringComparison.Ordinal);
        Assert.Contains("No space left on device", failure.Message, StringComparison.Ordinal);
        await ProduceAsync("/dev/null", withHeaders: false, SegmentBatches.Numbered(0, 1, 10));
    }

    [Fact]
    public async Task A_full_disk_leaves_whole_lines_and_the_run_goes_on_when_there_is_room()
    {
        string disk = _folder.File("disk");
        Directory.CreateDirectory(disk);
        if (!await MountAsync(disk)) return; // needs the right to mount a small file system; /dev/full above covers the error
        try
        {
            string path = Path.Combine(disk, "out");
            await File.WriteAllBytesAsync(Path.Combine(disk, "other"), new byte[30_000]);
            using IAppendLines output = await OpenAsync(path);
            await using var client = new JsonLinesSink(output, withHeaders: false);
            SegmentBatch small = SegmentBatches.Numbered(0, 2, 1000);
            SegmentBatch large = SegmentBatches.Numbered(2, 1, 50_000);
            await client.ProduceAsync(small, default);
            SinkException failure = await Assert.ThrowsAsync<SinkException>(() => client.ProduceAsync(large, default).AsTask());
            Assert.Contains(path, failure.Message, StringComparison.Ordinal);
            Assert.Contains($"{large.Length} bytes", failure.Message, StringComparison.Ordinal);
            Assert.Equal(small.Bytes.ToArray(), await File.ReadAllBytesAsync(path));

            File.Delete(Path.Combine(disk, "other"));
            await client.ProduceAsync(large, default);
            byte[] written = await File.ReadAllBytesAsync(path);
            Assert.Equal([.. small.Bytes.Span, .. large.Bytes.Span], written);
        }
        finally
        {
            await RunAsync("umount", disk);
        }
    }

    [Fact]
    public async Task A_closed_pipe_is_an_error_and_not_a_silent_loss()
    {
        string pipe = _folder.File("pipe");
        await RunAsync("mkfifo", pipe);
        Task<IAppendLines> opening = OpenAsync(pipe);
        await new FileStream(pipe, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0).DisposeAsync();
        using IAppendLines output = await opening;
        await using var client = new JsonLinesSink(output, withHeaders: false);
        SinkException failure = await Assert.ThrowsAsync<SinkException>(() => client.ProduceAsync(SegmentBatches.Numbered(0, 1, 10), default).AsTask());
        Assert.Contains(pipe, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_opened_is_named_with_the_reason()
    {
        Assert.Contains("is a directory", (await RefusalAsync(_folder.Root)).Message, StringComparison.Ordinal);
        string inside = _folder.File("missing/out");
        string message = (await RefusalAsync(inside)).Message;
        Assert.Contains(inside, message, StringComparison.Ordinal);
        Assert.Contains("directory does not exist", message, StringComparison.Ordinal);
    }

    private Task<IAppendLines> OpenAsync(string path) => OutputPath.OpenAsync(path, ExistingContent.Refuse, _control, TimeProvider.System, default).AsTask();

    private static int NumberOf(string line)
    {
        using JsonDocument message = JsonDocument.Parse(line);
        return message.RootElement.GetProperty("spans")[0].GetProperty("n").GetInt32();
    }

    private static Task<ConfigurationException> RefusalAsync(string path) => Assert.ThrowsAsync<ConfigurationException>(() => ProduceAsync(path, overwrite: false));

    private static Task ProduceAsync(string path, bool overwrite, params SegmentBatch[] batches) => ProduceAsync(path, overwrite, false, batches);

    private static Task ProduceAsync(string path, bool withHeaders, SegmentBatch batch) => ProduceAsync(path, false, withHeaders, batch);

    private static async Task ProduceAsync(string path, bool overwrite, bool withHeaders, params SegmentBatch[] batches)
    {
        using var control = new ControlBlock(workers: 1, shards: 1);
        ExistingContent existing = overwrite ? ExistingContent.Overwrite : ExistingContent.Refuse;
        using IAppendLines output = await OutputPath.OpenAsync(path, existing, control, TimeProvider.System, default);
        await using var client = new JsonLinesSink(output, withHeaders);
        foreach (SegmentBatch batch in batches) await client.ProduceAsync(batch, default);
    }

    private static async Task<bool> MountAsync(string folder) => await ExitCodeAsync("mount", "-t", "tmpfs", "-o", "size=64k", "none", folder) == 0;

    private static async Task RunAsync(string program, string argument) => Assert.Equal(0, await ExitCodeAsync(program, argument));

    private static async Task<int> ExitCodeAsync(string program, params string[] arguments)
    {
        if (!OperatingSystem.IsLinux()) return -1;
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}
