using System.Diagnostics;
using System.Text;
using Sheaf.Files;
using Sheaf.Flushing;
using Sheaf.Segments;
using Sheaf.TestKit;

namespace Sheaf.SystemTests.Files;

/// <summary>An output that processes share, as one of them sees it; several of them: SharedOutputUnderKills.</summary>
public sealed class SharedOutputTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly ControlBlock _control = new(workers: 1, shards: 1);

    private string Output => _folder.File("out");

    public void Dispose()
    {
        _control.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Lines_are_as_those_of_threads()
    {
        SegmentBatch[] batches = [SegmentBatches.Numbered(0, 3, 10), SegmentBatches.Of("{\n\"a\":1}"), new SegmentBatch()];
        foreach (bool withHeaders in (bool[])[false, true])
        {
            string ofThreads = _folder.File("threads" + withHeaders), ofProcesses = _folder.File("processes" + withHeaders);
            await using (JsonLinesSink sink = await JsonLinesSink.OpenAsync(ofThreads, ExistingContent.Refuse, withHeaders, default))
            {
                await using JsonLinesClient client = sink.CreateClient();
                foreach (SegmentBatch batch in batches) await client.ProduceAsync(batch, default);
            }
            SharedOutputFile.Prepare(ofProcesses, ExistingContent.Refuse, _control);
            await using (SharedJsonLinesSink sink = SharedJsonLinesSink.Open(ofProcesses, withHeaders, _control, TimeProvider.System))
            {
                foreach (SegmentBatch batch in batches) await sink.ProduceAsync(batch, default);
            }
            Assert.Equal(await File.ReadAllBytesAsync(ofThreads), await File.ReadAllBytesAsync(ofProcesses));
            Assert.Equal(new FileInfo(ofProcesses).Length, _control.Run.OutputLength);
        }
    }

    [Fact]
    public async Task What_a_killed_writer_left_is_cut_off_by_the_next_one_and_at_the_end()
    {
        SharedOutputFile.Prepare(Output, ExistingContent.Refuse, _control);
        using SharedOutputFile file = SharedOutputFile.Open(Output, _control, TimeProvider.System);
        await file.WriteAsync("one\n"u8.ToArray(), default);
        await File.AppendAllTextAsync(Output, "a long torn line");
        await file.WriteAsync("two\n"u8.ToArray(), default);
        Assert.Equal("one\ntwo\n", await File.ReadAllTextAsync(Output));
        await File.AppendAllTextAsync(Output, "torn");
        await file.FinishAsync(default);
        Assert.Equal("one\ntwo\n", await File.ReadAllTextAsync(Output));
    }

    [Fact]
    public async Task A_file_that_somebody_else_has_cut_is_not_written_on()
    {
        SharedOutputFile.Prepare(Output, ExistingContent.Refuse, _control);
        using SharedOutputFile file = SharedOutputFile.Open(Output, _control, TimeProvider.System);
        await file.WriteAsync("one\n"u8.ToArray(), default);
        await File.WriteAllTextAsync(Output, "o");
        SinkException failure = await Assert.ThrowsAsync<SinkException>(() => file.WriteAsync("two\n"u8.ToArray(), default).AsTask());
        Assert.True(failure.IsFinal);
        Assert.Contains("1 bytes, but 4 were written", failure.Message, StringComparison.Ordinal);
        Assert.Equal("o", await File.ReadAllTextAsync(Output));
    }

    [Fact]
    public async Task A_reader_keeps_no_writer_out()
    {
        SharedOutputFile.Prepare(Output, ExistingContent.Refuse, _control);
        using SharedOutputFile file = SharedOutputFile.Open(Output, _control, TimeProvider.System);
        await using var reader = new FileStream(Output, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        await file.WriteAsync("one\n"u8.ToArray(), default).AsTask().WaitAsync(Eventually.Patience);
        Assert.Equal(1, _control.Run.OutputLength / 4);
    }

    [Fact]
    public async Task The_null_device_takes_everything_from_anybody()
    {
        SharedOutputFile.Prepare("/dev/null", ExistingContent.Refuse, _control);
        using SharedOutputFile file = SharedOutputFile.Open("/dev/null", _control, TimeProvider.System);
        await file.WriteAsync("one\n"u8.ToArray(), default);
        await file.FinishAsync(default);
        Assert.Equal(0, _control.Run.OutputLength);
    }

    [Fact]
    public async Task Streams_cannot_be_shared_and_are_not_touched_to_find_out()
    {
        using (Process mkfifo = Process.Start("mkfifo", _folder.File("pipe"))) await mkfifo.WaitForExitAsync();
        foreach (string path in (string[])["-", _folder.File("pipe"), "/dev/full", "/dev/zero"])
            Assert.Contains("is a stream", SharedOutputFile.WhyNotShareable(path), StringComparison.Ordinal);
        Assert.Contains("is a directory", SharedOutputFile.WhyNotShareable(_folder.Root), StringComparison.Ordinal);
        await File.WriteAllTextAsync(Output, "");
        File.CreateSymbolicLink(_folder.File("link"), Output);
        foreach (string path in (string[])[Output, _folder.File("link"), _folder.File("new"), "/dev/null"])
            Assert.Null(SharedOutputFile.WhyNotShareable(path));
        Assert.Contains("is a stream", Assert.Throws<ConfigurationException>(() => SharedOutputFile.Prepare("/dev/full", ExistingContent.Refuse, _control)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("one\n", "one\n")]
    [InlineData("one\ntwo\n", "one\ntwo\n")]
    [InlineData("one\ntw", "one\n")]
    [InlineData("torn", "")]
    [InlineData("\n", "\n")]
    public async Task A_resumed_output_keeps_its_whole_lines(string before, string kept)
    {
        await File.WriteAllTextAsync(Output, before);
        SharedOutputFile.Prepare(Output, ExistingContent.Resume, _control);
        Assert.Equal(kept.Length, _control.Run.OutputLength);
        Assert.Equal(kept, await File.ReadAllTextAsync(Output));

        await File.WriteAllTextAsync(Output, before);
        SegmentBatch batch = SegmentBatches.Numbered(0, 1, 10);
        await using (JsonLinesSink sink = await JsonLinesSink.OpenAsync(Output, ExistingContent.Resume, withHeaders: false, default))
        {
            await using JsonLinesClient client = sink.CreateClient();
            await client.ProduceAsync(batch, default);
        }
        Assert.Equal(kept + Encoding.UTF8.GetString(batch.Bytes.Span), await File.ReadAllTextAsync(Output));
    }

    [Fact]
    public async Task A_long_torn_line_is_cut_off_too()
    {
        string torn = new('x', 300_000);
        await File.WriteAllTextAsync(Output, "one\n" + torn);
        SharedOutputFile.Prepare(Output, ExistingContent.Resume, _control);
        Assert.Equal("one\n", await File.ReadAllTextAsync(Output));
        File.Delete(Output);
        SharedOutputFile.Prepare(Output, ExistingContent.Resume, _control); // a missing one begins
        Assert.Equal(0, _control.Run.OutputLength);
    }
}
