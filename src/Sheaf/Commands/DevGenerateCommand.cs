using System.CommandLine;
using System.IO.Compression;
using Sheaf.Dev;
using Sheaf.Kafka;

namespace Sheaf.Commands;

/// <summary><c>sheaf dev generate</c>.</summary>
internal static class DevGenerateCommand
{
    // Half of the default root-timeout: what is expected holds with the defaults, with room for late copies.
    private const double LongestExpectedSegmentSeconds = 5;

    private static readonly LoadOptions Defaults = new();

    public static Command Create()
    {
        var spans = new Option<long>("--spans")
        {
            Description = "How many distinct spans. Copies (--duplicates) and unusable lines (--invalid) come on top.",
            DefaultValueFactory = _ => Defaults.Spans,
            HelpName = "N",
        };
        var output = new Option<string>("--output", "-o")
        {
            Description = "File to write, - for standard output, or a topic, in which each span goes to its trace's partition and is stamped with the time "
                + "at which it is sent (then give --rate and --stream-rate the same value).",
            DefaultValueFactory = _ => "-",
            HelpName = "PATH|-|kafka://HOST:PORT/TOPIC",
        };
        var seed = new Option<long>("--seed")
        {
            Description = "The same seed and options give the same bytes.",
            DefaultValueFactory = _ => Defaults.Seed,
            HelpName = "N",
        };
        var rate = new Option<double?>("--rate")
        {
            Description = "Spans per second to write, 1 or more; full speed when absent. Does not change the bytes.",
            HelpName = "SPANS_PER_S",
        };
        var streamRate = new Option<double>("--stream-rate")
        {
            Description = "Spans per second of stream time (`received`), 1 to 10000000: how many are open at once follows from it.",
            DefaultValueFactory = _ => Defaults.StreamRate,
            HelpName = "SPANS_PER_S",
        };
        var bytesPerSpan = new Option<int>("--bytes-per-span")
        {
            Description = "Mean length of a span, 500 to 65536; single spans are up to several times as long.",
            DefaultValueFactory = _ => Defaults.BytesPerSpan,
            HelpName = "BYTES",
        };
        var spansPerSegment = new Option<double>("--spans-per-segment")
        {
            Description = "Mean number of spans of a segment, 1 to 10000; with --bytes-per-span 1 MiB a segment at most.",
            DefaultValueFactory = _ => Defaults.SpansPerSegment,
            HelpName = "N",
        };
        var lateness = new Option<double>("--lateness")
        {
            Description = "How long after its end a span arrives at most, 0 to 600 seconds: the more, the more often children and parents "
                + "come in any order. With --expect at most 1.5.",
            DefaultValueFactory = _ => Defaults.LatenessSeconds,
            HelpName = "SECONDS",
        };
        var rootsMissing = new Option<double>("--roots-missing")
        {
            Description = "Share of the segments (of two spans or more) whose root never comes, 0 to 1.",
            HelpName = "RATIO",
        };
        var duplicates = new Option<double>("--duplicates")
        {
            Description = "Share of the spans that are delivered a second time within a second, 0 to 1.",
            HelpName = "RATIO",
        };
        var invalid = new Option<double>("--invalid")
        {
            Description = "Unusable lines per span, 0 to 1: not JSON, cut off, ids missing, null or of wrong form, not UTF-8, empty.",
            HelpName = "RATIO",
        };
        var projects = new Option<int>("--projects")
        {
            Description = "Number of projects, 1 to 1000000. They stand for services: a trace goes through several.",
            DefaultValueFactory = _ => Defaults.Projects,
            HelpName = "N",
        };
        var expect = new Option<string?>("--expect")
        {
            Description = "Also write the segments that these spans make, for `sheaf dev verify --expect`. They hold with the default "
                + "timeouts and all longer ones.",
            HelpName = "PATH",
        };
        var gzip = new Option<bool>("--gzip") { Description = "Compress the spans." };
        var command = new Command(
            "generate",
            "Writes a load of spans as JSON lines, in order of arrival: traces through several services, wide and deep, children mostly before "
                + "their parents, as recorded systems show them. Seeded: the same options give the same bytes.")
        {
            spans, output, seed, rate, streamRate, bytesPerSpan, spansPerSegment, lateness, rootsMissing, duplicates, invalid, projects, expect, gzip,
        };
        command.SetAction(async (parsed, cancel) =>
        {
            var options = new LoadOptions
            {
                Spans = parsed.GetValue(spans),
                Seed = parsed.GetValue(seed),
                BytesPerSpan = parsed.GetValue(bytesPerSpan),
                SpansPerSegment = parsed.GetValue(spansPerSegment),
                LatenessSeconds = parsed.GetValue(lateness),
                RootsMissing = parsed.GetValue(rootsMissing),
                Duplicates = parsed.GetValue(duplicates),
                Invalid = parsed.GetValue(invalid),
                Projects = parsed.GetValue(projects),
                StreamRate = parsed.GetValue(streamRate),
            };
            double? spansPerSecond = parsed.GetValue(rate);
            string? expectPath = parsed.GetValue(expect);
            List<string> faults = [.. options.Faults()];
            if (spansPerSecond is { } r && !(r >= 1)) faults.Add($"--rate is {r}; it must be 1 or more spans per second.");
            if (expectPath is not null && options.LongestSegmentSeconds > LongestExpectedSegmentSeconds)
            {
                faults.Add(
                    $"--lateness is {options.LatenessSeconds}; with --expect it must be at most "
                    + $"{LongestExpectedSegmentSeconds - (options.LongestSegmentSeconds - options.LatenessSeconds)} seconds, since later spans can be cut off "
                    + "by the default timeouts. Leave one of the two out.");
            }
            string to = parsed.GetRequiredValue(output);
            KafkaAddress? topic = null;
            if (KafkaAddress.IsKafka(to))
            {
                if (!KafkaAddress.TryParse(to, KafkaAddressRole.Output, out topic, out string problem)) faults.Add($"--output: {problem}.");
                if (parsed.GetValue(gzip)) faults.Add("--gzip is for a file or a pipe.");
            }
            if (faults.Count > 0)
            {
                foreach (string fault in faults) await parsed.InvocationConfiguration.Error.WriteLineAsync("sheaf: " + fault);
                return ExitCode.Configuration;
            }
            return await RunAsync(
                options, to, topic, parsed.GetValue(gzip), spansPerSecond, expectPath, parsed.InvocationConfiguration.Error,
                TimeProvider.System, cancel);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        LoadOptions options, string outputPath, KafkaAddress? topic, bool gzip, double? rate, string? expectPath, TextWriter error, TimeProvider time, CancellationToken cancel)
    {
        try
        {
            ExpectedSegments? expected = expectPath is null ? null : new ExpectedSegments();
            var generator = new SpanGenerator(options, expected);
            // Both are opened first, so that a path that cannot be written is known before the work.
            await using Stream? expectFile = expectPath is null ? null : File.Create(expectPath, 0);
            if (topic is not null)
            {
                await using KafkaSpanSink sink = await KafkaSpanSink.OpenAsync(new KafkaOutputOptions { Address = topic }, null, time, cancel);
                await WriteAsync(generator, sink.ProduceAsync, rate, time, cancel);
                if (expectFile is not null) await expected!.WriteAsync(expectFile, cancel);
                return ExitCode.Done;
            }
            await using (Stream output = OpenOutput(outputPath))
            {
                if (gzip)
                {
                    await using var compressed = new GZipStream(output, CompressionLevel.Fastest);
                    await WriteAsync(
                        generator,
                        async (lines, stop) =>
                        {
                            await compressed.WriteAsync(lines, stop);
                            if (rate is not null) await compressed.FlushAsync(stop); // whoever reads along sees them now
                        },
                        rate, time, cancel);
                }
                else
                {
                    await WriteAsync(generator, output.WriteAsync, rate, time, cancel);
                }
            }
            if (expectFile is not null) await expected!.WriteAsync(expectFile, cancel);
            return ExitCode.Done;
        }
        catch (IOException e) when (outputPath == "-" && IsBrokenPipe(e))
        {
            return ExitCode.Done; // whoever read has enough
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await error.WriteLineAsync($"sheaf: cannot write {outputPath}: {e.Message}");
            return ExitCode.Failed;
        }
        catch (SheafException e)
        {
            await error.WriteLineAsync($"sheaf: {e.Message}");
            return e is ConfigurationException ? ExitCode.Configuration : ExitCode.Failed;
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
    }

    private static async Task WriteAsync(
        SpanGenerator generator, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> write, double? rate, TimeProvider time, CancellationToken cancel)
    {
        long start = time.GetTimestamp();
        long mostSpans = rate is { } r ? Math.Max(1, (long)(r / 50)) : long.MaxValue;
        while (true)
        {
            ReadOnlyMemory<byte> block = generator.NextBlock(mostSpans);
            if (block.IsEmpty) break;
            await write(block, cancel);
            if (rate is null) continue;
            TimeSpan ahead = TimeSpan.FromSeconds(generator.SpansWritten / rate.Value) - time.GetElapsedTime(start);
            if (ahead > TimeSpan.Zero) await Task.Delay(ahead, time, cancel);
        }
    }

    // The console's own stream goes on silently when nobody reads any more, and would make all spans for nothing.
    private static FileStream OpenOutput(string path) => path == "-" && !StandardStreams.HasOutput
        ? throw new IOException("standard output is closed")
        : path == "-"
        ? new FileStream(new Microsoft.Win32.SafeHandles.SafeFileHandle(OperatingSystem.IsWindows() ? -11 : 1, ownsHandle: false), FileAccess.Write, 0)
        : new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, 0);

    private static bool IsBrokenPipe(IOException e)
    {
        const int Epipe = 32;
        const int BrokenPipe = unchecked((int)0x8007006D), NoData = unchecked((int)0x800700E8);
        return e.HResult is Epipe or BrokenPipe or NoData;
    }
}
