using System.Diagnostics;
using System.Text;
using Sheaf.Files;
using Sheaf.Flushing;
using Sheaf.Segments;
using Sheaf.TestKit;

namespace Sheaf.SystemTests.Files;

/// <summary>The output file, as one process of a run sees it; several of them: SharedOutputUnderKills.</summary>
public sealed class OutputFileTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly ControlBlock _control = ControlBlock.CreateShared(workers: 1, shards: 1);

    private string Output => _folder.File("out");

    private OutputFile Begin(ExistingContent existing) => OutputFile.Begin(Output, existing, _control, TimeProvider.System);

    private static ValueTask AppendAsync(OutputFile file, byte[] lines) => file.AppendAsync(lines, () => { }, default);

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
            using var ofThis = new ControlBlock(workers: 1, shards: 1);
            using (OutputFile output = OutputFile.Begin(ofThreads, ExistingContent.Refuse, ofThis, TimeProvider.System))
            {
                await using var sink = new JsonLinesSink(output, withHeaders);
                foreach (SegmentBatch batch in batches) await sink.ProduceAsync(batch, default);
            }
            using OutputFile prepared = OutputFile.Begin(ofProcesses, ExistingContent.Refuse, _control, TimeProvider.System);
            using (OutputFile output = OutputFile.Join(ofProcesses, _control, TimeProvider.System))
            {
                await using var sink = new JsonLinesSink(output, withHeaders);
                foreach (SegmentBatch batch in batches) await sink.ProduceAsync(batch, default);
            }
            Assert.Equal(await File.ReadAllBytesAsync(ofThreads), await File.ReadAllBytesAsync(ofProcesses));
            Assert.Equal(new FileInfo(ofProcesses).Length, _control.Run.OutputLength);
        }
    }

    [Fact]
    public async Task What_a_killed_writer_left_is_cut_off_by_the_next_one_and_at_the_end()
    {
        using OutputFile file = Begin(ExistingContent.Refuse);
        RunCells run = _control.Run;
        await AppendAsync(file, "one\n"u8.ToArray());
        run.OutputReach = 100; // as far as it meant to write
        await File.AppendAllTextAsync(Output, "a long torn line");
        await AppendAsync(file, "two\n"u8.ToArray());
        Assert.Equal("one\ntwo\n", await File.ReadAllTextAsync(Output));
        run.OutputReach = 100;
        await File.AppendAllTextAsync(Output, "torn");
        await file.FinishAsync(default);
        Assert.Equal("one\ntwo\n", await File.ReadAllTextAsync(Output));
    }

    [Fact]
    public async Task A_file_that_somebody_else_has_cut_is_not_written_on()
    {
        using OutputFile file = Begin(ExistingContent.Refuse);
        await AppendAsync(file, "one\n"u8.ToArray());
        await File.WriteAllTextAsync(Output, "o");
        SinkException failure = await Assert.ThrowsAsync<SinkException>(() => AppendAsync(file, "two\n"u8.ToArray()).AsTask());
        Assert.True(failure.IsFinal);
        Assert.Contains("1 bytes, but 4 were written", failure.Message, StringComparison.Ordinal);
        Assert.Equal("o", await File.ReadAllTextAsync(Output));
    }

    [Fact]
    public async Task A_file_that_something_else_writes_to_is_not_written_on()
    {
        using OutputFile file = Begin(ExistingContent.Refuse);
        await AppendAsync(file, "one\n"u8.ToArray());
        await File.AppendAllTextAsync(Output, "theirs\n");
        foreach (Func<Task> write in (Func<Task>[])[() => AppendAsync(file, "two\n"u8.ToArray()).AsTask(), () => file.FinishAsync(default).AsTask()])
            Assert.True((await Assert.ThrowsAsync<SinkException>(write)).IsFinal);
        Assert.Equal("one\ntheirs\n", await File.ReadAllTextAsync(Output));
    }

    [Fact]
    public async Task A_file_that_was_removed_ends_the_writing_also_at_the_end()
    {
        using OutputFile file = Begin(ExistingContent.Refuse);
        using OutputFile joined = OutputFile.Join(Output, _control, TimeProvider.System);
        await AppendAsync(file, "one\n"u8.ToArray());
        File.Delete(Output);
        foreach (Func<Task> write in (Func<Task>[])[() => AppendAsync(joined, "two\n"u8.ToArray()).AsTask(), () => file.FinishAsync(default).AsTask()])
        {
            SinkException failure = await Assert.ThrowsAsync<SinkException>(write);
            Assert.True(failure.IsFinal);
            Assert.Contains("was removed while it was written, and the 4 bytes in it are lost", failure.Message, StringComparison.Ordinal);
        }
        Assert.False(File.Exists(Output));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_file_that_was_renamed_is_gone_on_with_anew_by_all_who_write(bool another)
    {
        using OutputFile file = Begin(ExistingContent.Refuse);
        using OutputFile first = OutputFile.Join(Output, _control, TimeProvider.System), second = OutputFile.Join(Output, _control, TimeProvider.System);
        await AppendAsync(first, "one\n"u8.ToArray());
        await AppendAsync(second, "two\n"u8.ToArray());
        File.Move(Output, Output + ".1");
        if (another) await File.WriteAllTextAsync(Output, "");
        await AppendAsync(second, "three\n"u8.ToArray());
        await AppendAsync(first, "four\n"u8.ToArray());
        await AppendAsync(second, "five\n"u8.ToArray());
        await file.FinishAsync(default);
        Assert.Equal("one\ntwo\n", await File.ReadAllTextAsync(Output + ".1"));
        Assert.Equal("three\nfour\nfive\n", await File.ReadAllTextAsync(Output));
    }

    [Fact]
    public async Task A_file_that_was_replaced_by_one_with_content_is_not_written_to()
    {
        using OutputFile file = Begin(ExistingContent.Refuse);
        await AppendAsync(file, "one\n"u8.ToArray());
        File.Move(Output, Output + ".1");
        await File.WriteAllTextAsync(Output, "theirs\n");
        Assert.True((await Assert.ThrowsAsync<SinkException>(() => AppendAsync(file, "two\n"u8.ToArray()).AsTask())).IsFinal);
        Assert.Equal("theirs\n", await File.ReadAllTextAsync(Output));
        Assert.Equal("one\n", await File.ReadAllTextAsync(Output + ".1"));
    }

    [Fact]
    public async Task A_reader_keeps_no_writer_out()
    {
        using OutputFile file = Begin(ExistingContent.Refuse);
        await using var reader = new FileStream(Output, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        await AppendAsync(file, "one\n"u8.ToArray()).AsTask().WaitAsync(Eventually.Patience);
        Assert.Equal(1, _control.Run.OutputLength / 4);
    }

    [Fact]
    public async Task The_null_device_takes_everything_from_anybody()
    {
        using IAppendLines output = await OutputPath.OpenAsync("/dev/null", ExistingContent.Refuse, _control, TimeProvider.System, default);
        using IAppendLines joined = OutputPath.Join("/dev/null", _control, TimeProvider.System);
        await joined.AppendAsync("one\n"u8.ToArray(), () => { }, default);
        await output.FinishAsync(default);
        Assert.Equal(0, _control.Run.OutputLength);
    }

    [Fact]
    public async Task Streams_cannot_be_shared_and_are_not_touched_to_find_out()
    {
        using (Process mkfifo = Process.Start("mkfifo", _folder.File("pipe"))) await mkfifo.WaitForExitAsync();
        foreach (string path in (string[])["-", _folder.File("pipe"), "/dev/full", "/dev/zero"])
            Assert.Contains("is a stream", OutputPath.WhyNotShareable(path), StringComparison.Ordinal);
        Assert.Contains("is a directory", OutputPath.WhyNotShareable(_folder.Root), StringComparison.Ordinal);
        await File.WriteAllTextAsync(Output, "");
        File.CreateSymbolicLink(_folder.File("link"), Output);
        foreach (string path in (string[])[Output, _folder.File("link"), _folder.File("new"), "/dev/null"])
            Assert.Null(OutputPath.WhyNotShareable(path));
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
        using OutputFile file = Begin(ExistingContent.Resume);
        Assert.Equal(kept.Length, _control.Run.OutputLength);
        Assert.Equal(kept, await File.ReadAllTextAsync(Output));
        await AppendAsync(file, "more\n"u8.ToArray());
        Assert.Equal(kept + "more\n", await File.ReadAllTextAsync(Output));
    }

    [Fact]
    public async Task A_long_torn_line_is_cut_off_too()
    {
        string torn = new('x', 300_000);
        await File.WriteAllTextAsync(Output, "one\n" + torn);
        using (Begin(ExistingContent.Resume)) Assert.Equal("one\n", await File.ReadAllTextAsync(Output));
        File.Delete(Output);
        using OutputFile missing = Begin(ExistingContent.Resume); // it begins
        Assert.Equal(0, _control.Run.OutputLength);
    }
}
