using System.Text;
using System.Text.Json;

namespace Sheaf.SystemTests.Processes;

/// <summary>The recorded sample, in every form in which spans may come.</summary>
public sealed class InputForms : ProcessTest
{
    [Fact]
    public async Task The_sample_of_the_readme_gives_the_expected_segments()
    {
        Ended run = await RunAsync("--input", Sample, "--output", "out.jsonl", "--dead-letter", "stop");
        run.AssertEnded(0);
        Assert.Equal(219, run.Count("received"));
        Assert.Equal(219, run.Count("produced"));
        Assert.Equal(57, run.Count("segments"));
        await VerifyAsync(Sample, PathOf("out.jsonl"), "--expect", ExpectedOfSample);
    }

    [Fact]
    public async Task The_same_input_gives_the_same_bytes_again_and_with_any_number_of_workers()
    {
        var outputs = new List<string[]>();
        foreach (string workers in new[] { "1", "1", "2", "3" })
        {
            (await RunAsync("--input", Sample, "--output", "out.jsonl", "--overwrite", "--shards", "3", "--flusher-processes", workers)).AssertEnded(0);
            outputs.Add(Sorted(await File.ReadAllBytesAsync(PathOf("out.jsonl"))));
        }
        Assert.Equal(57, outputs[0].Length);
        Assert.All(outputs, output => Assert.Equal(outputs[0], output));
    }

    [Fact]
    public async Task Plain_or_gzip_by_file_or_pipe_with_any_line_ends_gives_the_same_segments()
    {
        byte[] plain = await File.ReadAllBytesAsync(Sample);
        byte[] windows = Encoding.UTF8.GetBytes((await File.ReadAllTextAsync(Sample)).ReplaceLineEndings("\r\n"));
        string[] expected = Sorted((await RunAsync(plain, "--input", "-", "--output", "-")).OutBytes);
        Assert.Equal(57, expected.Length);

        (string Form, byte[] Bytes)[] forms = [("gzip", Gzip(plain)), ("CRLF", windows), ("no line end at the end", plain[..^1])];
        foreach ((string form, byte[] bytes) in forms)
        {
            Ended fromPipe = await RunAsync(bytes, "--input", "-", "--output", "-");
            fromPipe.AssertEnded(0);
            Assert.True(expected.SequenceEqual(Sorted(fromPipe.OutBytes)), form);
            Ended fromFile = await RunAsync("--input", Write("in", bytes), "--output", "-");
            fromFile.AssertEnded(0);
            Assert.True(expected.SequenceEqual(Sorted(fromFile.OutBytes)), form);
        }
    }

    [Fact]
    public async Task An_empty_file_is_a_run_of_no_spans()
    {
        Ended run = await RunAsync("--input", Write("empty", ""), "--output", "out.jsonl");
        run.AssertEnded(0);
        Assert.Equal(0, run.Count("received"));
        Assert.Empty(await File.ReadAllBytesAsync(PathOf("out.jsonl")));
    }

    [Fact]
    public async Task With_headers_every_line_says_why_it_was_cut()
    {
        (await RunAsync("--input", Sample, "--output", "out.jsonl", "--with-headers")).AssertEnded(0);
        foreach (string line in Sorted(await File.ReadAllBytesAsync(PathOf("out.jsonl"))))
        {
            using JsonDocument message = JsonDocument.Parse(line);
            JsonElement headers = message.RootElement.GetProperty("headers");
            Assert.Contains(headers.GetProperty("flush_reason").GetString(), new[] { "root_timeout", "shutdown" });
            Assert.Equal(headers.GetProperty("span_count").GetInt32(), message.RootElement.GetProperty("value").GetProperty("spans").GetArrayLength());
        }
        await VerifyAsync(Sample, PathOf("out.jsonl"), "--expect", ExpectedOfSample);
    }
}
