using System.Globalization;

namespace Sheaf.Load;

/// <summary>What to measure.</summary>
internal sealed record LoadArguments
{
    public const string Help = """
        Measures sheaf from file to file, with the floor in the same rounds.

        usage: dotnet run -c Release --project bench/Sheaf.Load -- [options]

          --spans N          spans in the input, about 1.1 KB each; generated once and kept (default 1000000)
          --rounds N         rounds; in each, everything runs once, one after the other (default 5)
          --cores 1|2|all    how many cores the product is pinned to, where taskset is there (default 1)
          --folder PATH      where the input and the outputs lie (default: artifacts/load below the current folder)
          --sheaf PATH       the executable to measure (default: the one built with this)
          --no-file          leave out what writes a file
          --in-process       the pipeline in this process again and again, warm, instead of child processes
          --redis            the Redis journal on a redis-server of its own: append, read, settle, beside XADD, XRANGE, XDEL of the same bytes
          --redis-file       the command from a file to nowhere, with the memory buffer and with the Redis journal in turn
          --kafka BROKERS    from topic to topic with either buffer, beside librdkafka alone, on these brokers (host:port[,…]; processor time of theirs is not known then), or
                             start: a broker of its own from the folder SHEAF_TEST_KAFKA_DIR (default 500000 spans)
          --variant NAME=…   with --kafka, may be repeated: the memory buffer once more, with these words for process-spans: --variant 'once=--delivery exactly-once'
          --floors           with --kafka: only producing with librdkafka and with the sink, one message for every ten --spans
          -- WORDS           with --kafka: words for process-spans in every variant
          --memory           memory over live payload with every span alive at the end of the input, instead of speed

        Ratios are to count what can be relied on: compare them, not seconds, and only those of one run.
        """;

    public long Spans { get; private init; } = 1_000_000;
    public int Rounds { get; private init; } = 5;
    public int Cores { get; private init; } = 1;
    public string Folder { get; private init; } = Path.Combine("artifacts", "load");
    public string Sheaf { get; private init; } = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "sheaf.exe" : "sheaf");
    public bool WriteFiles { get; private init; } = true;
    public bool InProcess { get; private init; }
    public bool Memory { get; private init; }
    public bool Redis { get; private init; }

    public bool RedisFile { get; private init; }

    /// <summary>With Kafka: producing alone.</summary>
    public bool Floors { get; private init; }

    /// <summary>Brokers, "start" for some of its own, or null for a benchmark without Kafka.</summary>
    public string? Kafka { get; private init; }

    /// <summary>Names and words of further variants with Kafka.</summary>
    public IReadOnlyList<(string Name, string[] Words)> Variants { get; private init; } = [];

    /// <summary>Words for process-spans in every variant with Kafka.</summary>
    public IReadOnlyList<string> Words { get; private init; } = [];

    /// <exception cref="FormatException">An option is unknown or has a value out of range.</exception>
    public static LoadArguments Parse(string[] words)
    {
        var arguments = new LoadArguments();
        int end = Array.IndexOf(words, "--");
        if (end >= 0) (arguments, words) = (arguments with { Words = words[(end + 1)..] }, words[..end]);
        for (int i = 0; i < words.Length; i++)
        {
            string option = words[i];
            arguments = option switch
            {
                "--spans" => arguments with { Spans = Number(long.MaxValue) },
                "--rounds" => arguments with { Rounds = (int)Number(1000) },
                "--cores" => arguments with { Cores = Next() == "all" ? Environment.ProcessorCount : (int)Number(Environment.ProcessorCount, again: true) },
                "--folder" => arguments with { Folder = Next() },
                "--sheaf" => arguments with { Sheaf = Next() },
                "--no-file" => arguments with { WriteFiles = false },
                "--in-process" => arguments with { InProcess = true },
                "--memory" => arguments with { Memory = true },
                "--kafka" => arguments with { Kafka = Next(), Spans = words.Contains("--spans") ? arguments.Spans : 500_000 },
                "--variant" => arguments with { Variants = [.. arguments.Variants, Variant(Next())] },
                "--floors" => arguments with { Floors = true },
                "--redis" => arguments with { Redis = true },
                "--redis-file" => arguments with { RedisFile = true },
                _ => throw new FormatException($"unknown option {option}"),
            };

            string Next() => ++i < words.Length ? words[i] : throw new FormatException($"{option} needs a value");

            (string, string[]) Variant(string text) => text.Split('=', 2) is [{ Length: > 0 } name, { } rest]
                ? (name, rest.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                : throw new FormatException($"{option} is {text}; it must be NAME=WORDS");

            long Number(long most, bool again = false)
            {
                string text = again ? words[i] : Next();
                return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value >= 1 && value <= most
                    ? value
                    : throw new FormatException($"{option} is {text}; it must be 1 to {most}");
            }
        }
        return arguments;
    }
}
