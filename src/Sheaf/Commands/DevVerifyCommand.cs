using System.CommandLine;
using System.Globalization;
using Sheaf.Dev;

namespace Sheaf.Commands;

/// <summary><c>sheaf dev verify</c>.</summary>
internal static class DevVerifyCommand
{
    public static Command Create()
    {
        var spans = new Argument<string>("SPANS") { Description = "What the run was given: a span a line; gzip is recognised." };
        var segments = new Argument<string>("SEGMENTS")
        {
            Description = "What it produced: a message a line, with or without headers; gzip is recognised.",
        };
        var expect = new Option<string?>("--expect")
        {
            Description = "Compare with these segments (from `sheaf dev generate --expect`), span by span.",
            HelpName = "PATH",
        };
        var deadLetters = new Option<string?>("--dead-letters")
        {
            Description = "The run's dead letters: every unusable line must be among them, and no other span is missed that is.",
            HelpName = "PATH",
        };
        var noRepeats = new Option<bool>("--no-repeats")
        {
            Description = "A message that comes again (same flush_id, same content, as after a crash) is a problem, not only counted.",
        };
        var command = new Command(
            "verify",
            "Checks a run from its files alone: every span is in exactly one segment and nothing else is, each with its content as it came but for "
                + "is_segment and attributes[\"sentry.segment.id\"], and both of these are right. White space between JSON tokens is not compared. Takes "
                + "about 130 bytes of memory a span. Exit code 0: all is right; 1: there are problems; 2: it cannot be checked.")
        {
            spans, segments, expect, deadLetters, noRepeats,
        };
        command.SetAction((parsed, cancel) => RunAsync(
            new Paths(parsed.GetRequiredValue(spans), parsed.GetRequiredValue(segments), parsed.GetValue(expect), parsed.GetValue(deadLetters)),
            parsed.GetValue(noRepeats), parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error, cancel));
        return command;
    }

    private static async Task<int> RunAsync(Paths paths, bool noRepeats, TextWriter output, TextWriter error, CancellationToken cancel)
    {
        var verifier = new RunVerifier(repeatsAllowed: !noRepeats);
        string reading = paths.Spans;
        try
        {
            await ReadAsync(paths.Spans, verifier.ReadSpansAsync);
            if (paths.Expect is not null) await ReadAsync(paths.Expect, verifier.ReadExpectedAsync);
            if (paths.DeadLetters is not null) await ReadAsync(paths.DeadLetters, verifier.ReadDeadLettersAsync);
            await ReadAsync(paths.Segments, verifier.ReadSegmentsAsync);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or InvalidDataException)
        {
            await error.WriteLineAsync($"sheaf: cannot read {reading}: {e.Message}");
            return ExitCode.Configuration;
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
        verifier.Finish();
        Report(verifier, paths, output);
        return verifier.Problems.Count == 0 ? ExitCode.Done : ExitCode.Failed;

        async Task ReadAsync(string path, Func<Stream, CancellationToken, Task> read)
        {
            reading = path;
            await using Stream stream = InputFile.OpenRead(path);
            await read(stream, cancel);
        }
    }

    private static void Report(RunVerifier verifier, Paths paths, TextWriter output)
    {
        Line("input lines", verifier.InputLines);
        Line("  usable", verifier.Deliveries);
        Line("  unusable", verifier.Unusable);
        Line("distinct spans", verifier.DistinctSpans);
        Line("copies left out", verifier.CopiesLeftOut);
        Line("messages", verifier.Messages);
        Line("  parts of oversized segments", verifier.Parts);
        Line("  repeated", verifier.Repeats);
        Line("spans in messages", verifier.SpansOut);
        if (paths.Expect is not null) Line("expected segments", verifier.ExpectedSegments);
        if (paths.DeadLetters is not null) Line("dead letters", verifier.DeadLetters);
        Line("problems", verifier.Problems.Count);
        foreach ((ProblemKind kind, long count) in verifier.Problems.Counts) Line("  " + Problems.InWords(kind), count);
        foreach (string problem in verifier.Problems.First) output.WriteLine(problem);
        if (verifier.Problems.Count > Problems.Kept) output.WriteLine("(only the first " + Problems.Kept + " are listed)");

        void Line(string what, long count) => output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-30} {count,15:N0}"));
    }

    private sealed record Paths(string Spans, string Segments, string? Expect, string? DeadLetters);
}
