namespace Sheaf.Configuration;

/// <summary>
/// An option of the original's command line that is none of ours, so that a command line which worked there is not met with "there is no such option".
/// What is the same thing under another name is no such option: see <see cref="OptionSpec.OtherNames"/>.
/// </summary>
/// <param name="HasValue">Whether a value follows it.</param>
/// <param name="IsHarmless">Whether it can be passed over without any harm; otherwise it is a fault.</param>
/// <param name="Instead">What there is instead, as half a sentence.</param>
internal sealed record OriginalOption(string Name, bool HasValue, bool IsHarmless, string Instead)
{
    private const string Parsing = "parsing spreads over the cores by itself";
    private const string CommitLog = "Sheaf writes and follows no commit log; a consumer that waits for one would wait for ever";

    public static IReadOnlyList<OriginalOption> All { get; } =
    [
        new("--processes", true, true, Parsing),
        new("--input-block-size", true, true, Parsing),
        new("--output-block-size", true, true, Parsing),
        new("--logformat", true, true, "--log-format json makes each log line a JSON object"),
        new("--enable-dlq", false, true, "messages that cannot be used are always kept; --dead-letter says where"),
        new("--max-dlq-buffer-length", true, true, "a message that cannot be used is written where it is found, and needs no buffer"),
        new("--handle-poll-while-paused", false, true, "a paused input is always polled"),
        new("--quantized-rebalance-delay-secs", true, true, "a rebalance restarts nothing here, so none is put off"),
        new("--shutdown-strategy-before-consumer", false, true, "what was read is always finished before the group is left"),
        new("--profile-consumer-join", false, true, "nothing is profiled"),
        new("--retry-handle-destroyed", false, true, "there is no such failure here"),
        new("--topic", true, false, "name the topic in --input kafka://HOST:PORT/TOPIC"),
        new("--cluster", true, false, "name the brokers in --input and --output, and how to be let in with --kafka-config"),
        new("--disable-dlq", false, false, "messages that cannot be used are never skipped: --dead-letter file:PATH, kafka:TOPIC or stop"),
        new("--enable-autocommit", false, false, "offsets are committed when their spans are safe; leave it out"),
        new("--stale-threshold-sec", true, false, "Sheaf sends nothing to a backlog topic; leave it out, and all messages are read in order"),
        new("--synchronize-commit-log-topic", true, false, CommitLog),
        new("--synchronize-commit-group", true, false, CommitLog),
        new("--healthcheck-file-path", true, false, "Sheaf touches no health file yet; leave it out, and let the platform watch for the end of the process: what cannot go on ends with an exit code"),
    ];

    public static OriginalOption? Find(string name) => All.FirstOrDefault(option => option.Name == name);
}
