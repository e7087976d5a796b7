using System.Collections.Frozen;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Sheaf.Ingesting;
using Sheaf.Kafka;
using Sheaf.Spans;

namespace Sheaf.Configuration;

// To add an option:
// 1. Add it here; where it stands is where help, the sample file and the docs show it.
// 2. Give the plan a property (ProcessSpansPlan, or ReloadablePlan when it can change during a run) and bind it in PlanBinder.
// 3. Give OptionBoundaries (tests) its default, lowest, highest and just-outside values.
// 4. `sheaf config docs > docs/configuration.md`.

/// <summary>
/// Every option of <c>sheaf process-spans</c>: the one list from which the command line, the environment variables, the file's keys,
/// <c>--help</c>, the sample file and docs/configuration.md follow.
/// </summary>
internal static class OptionTable
{
    private static readonly List<OptionSpec> Table = [];

    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    public static readonly OptionSpec<string> Input = Add(new OptionSpec<string>(new PlaceKind(KafkaAddressRole.Input))
    {
        Name = "input",
        Group = OptionGroup.Files,
        Summary = "Spans to read: JSON lines, plain or gzip (- is standard input), or a topic.",
        Details = "In a file one span per line; blank lines and a byte order mark are passed over. Gzip is recognised by its first bytes, not by the name; what must be something else (zstd, UTF-16, an archive) is refused, and named. A span's stream time is its `received`. From Kafka (`kafka://HOST:PORT[,HOST:PORT]/TOPIC?group=NAME`) one span per message, whose stream time is the broker's timestamp; instances of one group share the topic's partitions, and the run goes on until it is told to stop (SIGTERM, Ctrl-C).",
        DefaultText = "none",
        Example = "spans.jsonl.gz",
        Required = true,
    });

    public static readonly OptionSpec<SpanFormat> InputFormat = Add(new OptionSpec<SpanFormat>(new ChoiceKind<SpanFormat>(("sentry-json", SpanFormat.SentryJson)))
    {
        Name = "input-format",
        Group = OptionGroup.Files,
        Summary = "How spans are written in the input.",
        Details = "`sentry-json`: one span per line or message, JSON as in the topic `ingest-spans`. The only format so far.",
        Default = _ => "sentry-json",
        DefaultText = "sentry-json",
    });

    public static readonly OptionSpec<string> Output = Add(new OptionSpec<string>(new PlaceKind(KafkaAddressRole.Output))
    {
        Name = "output",
        Group = OptionGroup.Files,
        Summary = "Where segments go, one message per line (- is standard output), or a topic.",
        Details = "Everything else that Sheaf has to say goes to standard error, so a pipe gets segments only. A file belongs to one run at a time, and may be no other file of the run by another name. One that is renamed meanwhile (logrotate's `create`) is gone on with anew under its name; one that something else empties, writes to or removes ends the run. To Kafka (`kafka://HOST:PORT[,HOST:PORT]/TOPIC[,TOPIC2]`) each message has its header `sheaf`; of several topics each shard has one.",
        DefaultText = "none",
        Example = "segments.jsonl",
        Required = true,
    });

    public static readonly OptionSpec<bool> Overwrite = Add(new OptionSpec<bool>(new FlagKind())
    {
        Name = "overwrite",
        Group = OptionGroup.Files,
        Summary = "Replace an output file that is not empty.",
        Details = "Off, so that a repeated command does not destroy an earlier result; from Kafka, the offsets of what it throws away are committed, and nothing brings it back (`--resume` writes on behind it). An empty file is replaced without it.",
        Default = _ => "false",
        DefaultText = "false",
    });

    public static readonly OptionSpec<bool> WithHeaders = Add(new OptionSpec<bool>(new FlagKind())
    {
        Name = "with-headers",
        Group = OptionGroup.Files,
        Summary = "Write each message with its fields beside it (why and when it was cut, counts, offsets).",
        Details = "A topic has them in the header `sheaf`. Off, because then each line is exactly the message that a consumer downstream expects.",
        Default = _ => "false",
        DefaultText = "false",
    });

    public static readonly OptionSpec<long> MaxMessageBytes = Add(new OptionSpec<long>(new SizeKind(1 << 10, 1 << 30))
    {
        Name = "max-message-bytes",
        Group = OptionGroup.Files,
        Summary = "Longest input line; a longer one is a dead letter.",
        Details = "Bounds the memory that one line can take. The default is far above any real span, and above what brokers accept. With an output in Kafka a span is a dead letter, too, when its topics would not take it alone in a message (`max.message.bytes`, less some 1.1 KiB).",
        Default = _ => "64MiB",
        DefaultText = "64MiB",
    });

    public static readonly OptionSpec<string> ConsumerGroup = Add(new OptionSpec<string>(new GroupNameKind())
    {
        Name = "consumer-group",
        Group = OptionGroup.Kafka,
        Summary = "The group under whose name the input is read, where its address names none.",
        Details = "The same as `?group=NAME` in `--input`; one of the two is needed for an input in Kafka. Instances of one group share its partitions, and what has been read is noted under its name.",
        DefaultText = "the group in --input",
        Example = "process-spans",
    });

    public static readonly OptionSpec<string> KafkaConfig = Add(new OptionSpec<string>(new KafkaConfigKind())
    {
        Name = "kafka-config",
        Group = OptionGroup.Kafka,
        Summary = "Properties of librdkafka for input, output and dead letters: security.protocol=ssl.",
        Details = "May be repeated. What Sheaf sets itself is refused, with what to use instead (`group.id`, `bootstrap.servers`, …), and so is what would break its promises (`acks`, `enable.auto.commit`, …). A password on the command line can be seen by every user of the machine: give it as `SHEAF_KAFKA_CONFIG` or in the file; it is not shown anywhere.",
        Default = _ => "",
        DefaultText = "none",
        Example = "security.protocol=ssl",
    });

    public static readonly OptionSpec<AutoOffsetReset> AutoOffsetReset = Add(new OptionSpec<AutoOffsetReset>(new ChoiceKind<AutoOffsetReset>(
        ("earliest", Sheaf.Kafka.AutoOffsetReset.Earliest), ("latest", Sheaf.Kafka.AutoOffsetReset.Latest), ("error", Sheaf.Kafka.AutoOffsetReset.Error)))
    {
        Name = "auto-offset-reset",
        Group = OptionGroup.Kafka,
        Summary = "Where to begin in a partition of which the group has committed nothing.",
        Details = "`earliest` begins with what is there, as the original's groups do; `latest` with what comes from now on; `error` ends the run instead.",
        Default = _ => "earliest",
        DefaultText = "earliest",
    });

    public static readonly OptionSpec<bool> NoStrictOffsetReset = Add(new OptionSpec<bool>(new FlagKind())
    {
        Name = "no-strict-offset-reset",
        Group = OptionGroup.Kafka,
        Summary = "Read on at `auto-offset-reset` where messages are gone that were not read.",
        Details = "Off: the run ends and says so, since what is gone (deleted by retention before it was read, or the topic was made anew) is lost.",
        Default = _ => "false",
        DefaultText = "false",
        Contrary = "--strict-offset-reset",
    });

    public static readonly OptionSpec<int> MaxPollIntervalMs = Add(new OptionSpec<int>(new IntegerKind<int>(6_000, 86_400_000))
    {
        Name = "max-poll-interval-ms",
        Group = OptionGroup.Kafka,
        Summary = "Milliseconds after which the group gives up an instance that does not answer.",
        Details = "Also the time that an instance has to finish what it has claimed when a partition goes elsewhere. Reading goes on apart from flushing, so a slow output does not count. The default is the original's.",
        Default = _ => "30000",
        DefaultText = "30000",
    });

    public static readonly OptionSpec<string> GroupInstanceId = Add(new OptionSpec<string>(new MemberNameKind())
    {
        Name = "group-instance-id",
        Group = OptionGroup.Kafka,
        Summary = "A name that makes this instance a static member of its group.",
        Details = "Another one for each instance. One that comes back within the session's time-out (`session.timeout.ms`) gets its partitions back without a rebalance. None by default: an instance that ends gives them away at once.",
        DefaultText = "none",
        Example = "sheaf-0",
    });

    public static readonly OptionSpec<int> MaxBatchSize = Add(new OptionSpec<int>(new IntegerKind<int>(1, 100_000))
    {
        Name = "max-batch-size",
        Group = OptionGroup.Kafka,
        Summary = "Most messages that are taken from Kafka together.",
        Details = "Each batch is one exchange with a Redis buffer for each of its partitions. A backlog in a Redis buffer is caught up with half as fast again as with the original's 100, and what is read at once is still small.",
        Default = _ => "1000",
        DefaultText = "1000",
    });

    public static readonly OptionSpec<int> MaxBatchTimeMs = Add(new OptionSpec<int>(new IntegerKind<int>(0, 60_000))
    {
        Name = "max-batch-time-ms",
        Group = OptionGroup.Kafka,
        Summary = "Milliseconds that a message waits for others to fill its batch.",
        Details = "Only matters while little comes. The default is the original's, and short beside any timeout.",
        Default = _ => "1000",
        DefaultText = "1000",
    });

    public static readonly OptionSpec<TimeSpan> ClockSlack = Add(new OptionSpec<TimeSpan>(new DurationKind(TimeSpan.Zero, TimeSpan.FromHours(1)))
    {
        Name = "clock-slack",
        Group = OptionGroup.Kafka,
        Summary = "How far the clock of a partition without new messages stays behind.",
        Details = "The clock goes on while a partition is read to its end, so that its segments close. A message that takes longer than this from its timestamp to here may come too late for its segment.",
        Default = _ => "1s",
        DefaultText = "1s",
    });

    /// <summary>The value of <see cref="ProgressTopic"/> that means no topic.</summary>
    public const string NoProgressTopic = "none";

    public static readonly OptionSpec<string> ProgressTopic = Add(new OptionSpec<string>(new MemberNameKind())
    {
        Name = "progress-topic",
        Group = OptionGroup.Kafka,
        Summary = "Compacted topic that tells the next owner of a partition what has left a memory buffer.",
        Details = "It is made where it is missing, on the brokers of the input. With it a restart or a rebalance brings no segment out again in part. With `none` whoever takes a partition over begins at the oldest span that waited, and knows nothing of what had left. A Redis buffer needs none.",
        DefaultText = "GROUP.sheaf-progress",
        Example = "process-spans.sheaf-progress",
    });

    public static readonly OptionSpec<DeliveryGuarantee> Delivery = Add(new OptionSpec<DeliveryGuarantee>(
        new ChoiceKind<DeliveryGuarantee>(("at-least-once", DeliveryGuarantee.AtLeastOnce), ("exactly-once", DeliveryGuarantee.ExactlyOnce)))
    {
        Name = "delivery",
        Group = OptionGroup.Kafka,
        Summary = "Whether a crash may repeat segments.",
        Details = "`at-least-once` repeats whole segments, with the `flush_id` that they had. With `exactly-once` segments, offsets and progress are one transaction of Kafka: who reads the output with `isolation.level=read_committed` sees nothing twice. It needs a memory buffer and input and output on one cluster, and costs some delay.",
        Default = _ => "at-least-once",
        DefaultText = "at-least-once",
    });

    public static readonly OptionSpec<KafkaKeyChoice> OutputKey = Add(new OptionSpec<KafkaKeyChoice>(
        new ChoiceKind<KafkaKeyChoice>(("none", KafkaKeyChoice.None), ("trace", KafkaKeyChoice.Trace), ("project", KafkaKeyChoice.Project)))
    {
        Name = "output-key",
        Group = OptionGroup.Kafka,
        Summary = "Key of the messages with segments, and so which of them share a partition.",
        Details = "None by default, as in the original: the partitions are filled evenly.",
        Default = _ => "none",
        DefaultText = "none",
    });

    public static readonly OptionSpec<TimeSpan> Timeout = Add(new OptionSpec<TimeSpan>(new DurationKind(TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(30)))
    {
        Name = "timeout",
        Group = OptionGroup.Segments,
        Summary = "Quiet time after which a segment without its root closes.",
        Details = "Counted in stream time from the segment's newest span. The default is the original's: a root is usually the last span of its segment to be sent, so it is worth a wait.",
        Default = _ => "60s",
        DefaultText = "1m",
    });

    public static readonly OptionSpec<TimeSpan> RootTimeout = Add(new OptionSpec<TimeSpan>(new DurationKind(TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(30)))
    {
        Name = "root-timeout",
        Group = OptionGroup.Segments,
        Summary = "Quiet time after which a segment whose root is there closes.",
        Details = "Counted in stream time from the segment's newest span. The default is the original's: what comes after the root is late, and usually by little.",
        Default = _ => "10s",
        DefaultText = "10s",
    });

    public static readonly OptionSpec<TimeSpan> MaxSegmentAge = Add(new OptionSpec<TimeSpan>(new DurationKind(Second, TimeSpan.FromDays(60), zeroIsOff: true))
    {
        Name = "max-segment-age",
        Group = OptionGroup.Segments,
        Summary = "Most time from a segment's first span to its closing; 0 is off.",
        Details = "Without it a trace that never falls silent would never leave. The default is ten times `timeout`: long for a segment, short for a buffer.",
        Default = _ => "600s",
        DefaultText = "10m",
    });

    public static readonly OptionSpec<long> MaxSegmentBytes = Add(new OptionSpec<long>(new SizeKind(1 << 10, 256 << 20))
    {
        Name = "max-segment-bytes",
        Group = OptionGroup.Segments,
        Summary = "Size of one output message; a larger segment leaves in parts.",
        Details = "Parts carry `\"skip_enrichment\":true`. Unless it is given, it is what the output's topics take (the least `max.message.bytes`, less 1 KiB for key and header), and 10 MiB at most, which is the original's; the start says which (log level information). What is given must fit into the topics. The most is bounded because a worker holds a closed segment in memory, twice that size at worst.",
        DefaultText = "what the output takes, 10MiB at most",
        Example = "10MiB",
    });

    public static readonly OptionSpec<int> Shards = Add(new OptionSpec<int>(new IntegerKind<int>(1, 1024))
    {
        Name = "shards",
        Group = OptionGroup.Workers,
        Summary = "Parts into which traces are dealt; each keeps its order and its clock.",
        Details = "A file's spans are dealt by trace id; with Kafka each partition is a shard, and this does not count. More shards than cores cost a little and gain nothing; the number also decides which traces share a clock, so keep it when two runs are to be compared.",
        Default = machine => Math.Clamp(machine.Cores, 1, 1024).ToString(CultureInfo.InvariantCulture),
        DefaultText = "number of cores",
        Example = "8",
    });

    public static readonly OptionSpec<int> FlusherProcesses = Add(new OptionSpec<int>(new IntegerKind<int>(1, 1024))
    {
        Name = "flusher-processes",
        Group = OptionGroup.Workers,
        Summary = "Most flusher workers; shards are dealt to them in turn.",
        Details = "There are never more workers than shards. The default is the original's; raise it when the run says that workers cannot keep up.",
        Default = _ => "1",
        DefaultText = "1",
    });

    public static readonly OptionSpec<int> MaxFlushSegments = Add(new OptionSpec<int>(new IntegerKind<int>(1, 100_000))
    {
        Name = "max-flush-segments",
        Group = OptionGroup.Workers,
        Summary = "Most traces that a worker takes from a shard in one flush.",
        Details = "Larger flushes cost memory for the claimed spans, smaller ones cost time per flush. The default is the original's.",
        Default = _ => "500",
        DefaultText = "500",
        Reloadable = true,
    });

    public static readonly OptionSpec<TimeSpan> MaxUnhealthySeconds = Add(new OptionSpec<TimeSpan>(new DurationKind(Second, Hour))
    {
        Name = "max-unhealthy-seconds",
        Group = OptionGroup.Workers,
        Summary = "A worker without a sign of life for this long is replaced.",
        Details = "The start waits twice as long for all workers. The default is the original's: longer than any flush, short enough for a page at night to be over soon.",
        Default = _ => "60",
        DefaultText = "1m",
    });

    public static readonly OptionSpec<TimeSpan> BackpressureSeconds = Add(new OptionSpec<TimeSpan>(new DurationKind(Second, Hour))
    {
        Name = "backpressure-seconds",
        Group = OptionGroup.Workers,
        Summary = "A worker that is behind for this long makes the input pause.",
        Details = "Behind: due segments are left over after a full flush. The input goes on by itself when the worker has caught up. The default is the original's: a burst passes, a lasting overload does not.",
        Default = _ => "10",
        DefaultText = "10s",
    });

    public static readonly OptionSpec<TimeSpan> ShutdownTimeout = Add(new OptionSpec<TimeSpan>(new DurationKind(Second, Hour))
    {
        Name = "shutdown-timeout",
        Group = OptionGroup.Workers,
        OtherNames = ["--join-timeout"],
        Summary = "Time that a stop may take as a whole, from the signal on.",
        Details = "Half of it is for storing what was read, where the buffer does not answer; all but a fifth (5 s at most) for the workers to finish what they have claimed, then whoever is left is ended; the rest is for handing over. Let the container platform wait 10 s longer before it kills.",
        Default = _ => "30",
        DefaultText = "30s",
    });

    public static readonly OptionSpec<FlusherIsolation> FlusherIsolation = Add(new OptionSpec<FlusherIsolation>(
        new ChoiceKind<FlusherIsolation>(("thread", Configuration.FlusherIsolation.Thread), ("process", Configuration.FlusherIsolation.Process)))
    {
        Name = "flusher-isolation",
        Group = OptionGroup.Workers,
        Summary = "Flusher workers are threads of this process, or processes of their own.",
        Details = "A process can be killed when it hangs, and takes nothing else with it when it crashes; it costs some memory and a start of a fraction of a second. Spans that wait in the memory of this process are out of its reach, so it needs a Redis buffer; and an output that processes can share: Kafka, or a file, which can be cut back to its last whole line where a pipe cannot. The default is the safer one of what is possible.",
        DefaultText = "process with a Redis buffer and an output in a file or Kafka, else thread",
        Example = "process",
    });

    public static readonly OptionSpec<BufferTarget> Buffer = Add(new OptionSpec<BufferTarget>(new BufferKind())
    {
        Name = "buffer",
        Group = OptionGroup.Buffer,
        Summary = "Where spans wait: in memory, or in Redis.",
        Details = "`memory` is the faster one, and all that a single machine needs: what it holds when the process ends has to be read from the input again. What Redis holds outlives the process. A password on the command line can be seen by every user of the machine: give such an address as `SHEAF_BUFFER` or in the file. With TLS (`rediss://`, `rediss-cluster://`, `rediss-sentinel://`) the address may end in `?ca=FILE&cert=FILE&key=FILE&tls-host=NAME`.",
        Default = _ => "memory",
        DefaultText = "memory",
    });

    public static readonly OptionSpec<MemoryAmount> MaxBufferBytes = Add(new OptionSpec<MemoryAmount>(new MemoryKind())
    {
        Name = "max-buffer-bytes",
        Group = OptionGroup.Buffer,
        Summary = "Memory for spans that wait in it; a percentage is of the machine's or container's.",
        Details = "For the `memory` buffer. Counts its payloads and what it keeps about them. The default leaves the other half to reading, flushing and the file cache.",
        Default = _ => "50%",
        DefaultText = "50%",
    });

    public static readonly OptionSpec<BufferFullPolicy> OnBufferFull = Add(new OptionSpec<BufferFullPolicy>(
        new ChoiceKind<BufferFullPolicy>(("pause", BufferFullPolicy.Pause), ("flush-oldest", BufferFullPolicy.FlushOldest)))
    {
        Name = "on-buffer-full",
        Group = OptionGroup.Buffer,
        Summary = "What happens then: the input pauses, or the oldest segments leave early.",
        Details = "With `pause` the input waits while segments that are due leave. Where none is due any more, waiting would never help (deadlines follow the input's time, which stands while the input does), so the oldest segments leave early after all. `flush-oldest` lets them leave at once, and keeps up with the input. Segments that were cut short say `buffer_full`, and the log says how many there were. Nothing is lost either way.",
        Default = _ => "pause",
        DefaultText = "pause",
    });

    public static readonly OptionSpec<decimal> MaxMemoryPercentage = Add(new OptionSpec<decimal>(new RatioKind(lowest: 0.01m))
    {
        Name = "max-memory-percentage",
        Group = OptionGroup.Buffer,
        Summary = "Share of Redis' memory at which its buffer is full; 1 is off.",
        Details = "Of `maxmemory`, or of the machine's memory where Redis has no such limit; over all nodes of a cluster. Off by default, as in the original: a server that is full says so itself, and the input waits then too. Others who use the same server would rather have it pause earlier.",
        Default = _ => "1",
        DefaultText = "1",
    });

    public static readonly OptionSpec<TimeSpan> RedisTtl = Add(new OptionSpec<TimeSpan>(new DurationKind(Second, TimeSpan.FromDays(365)))
    {
        Name = "redis-ttl",
        Group = OptionGroup.Buffer,
        Summary = "How long keys in Redis live that nobody touches.",
        Details = "What is buffered is lost when nobody consumes it for that long, so it must be longer than any outage that is to be survived, and at least twice `timeout` and `root-timeout`. The default is the original's.",
        Default = _ => "3600",
        DefaultText = "1h",
    });

    public static readonly OptionSpec<int> CompressionLevel = Add(new OptionSpec<int>(new IntegerKind<int>(-1, 19))
    {
        Name = "compression-level",
        Group = OptionGroup.Buffer,
        Summary = "zstd level of what waits in Redis; 0 is zstd's default, -1 is no compression.",
        Details = "A batch of spans becomes a tenth of its size or less, which saves memory and time of Redis for a microsecond a span here. Entries of either kind are read whatever is written, so it can be changed between two runs. The original's default is 0: level 3, a few percent smaller and a third slower.",
        Default = _ => "1",
        DefaultText = "1",
    });

    public static readonly OptionSpec<int> KafkaSliceId = Add(new OptionSpec<int>(new IntegerKind<int>(0, int.MaxValue))
    {
        Name = "kafka-slice-id",
        Group = OptionGroup.Buffer,
        Summary = "A name space of its own in Redis, so that several runs can share a server.",
        Details = "Two runs that share a server and a name space would take each other's spans. The name is the original's.",
        DefaultText = "none",
        Example = "1",
    });

    public static readonly OptionSpec<bool> Resume = Add(new OptionSpec<bool>(new FlagKind())
    {
        Name = "resume",
        Group = OptionGroup.Buffer,
        Summary = "Go on where an earlier run was cut off; the output is continued.",
        Details = "Over a file, for a Redis buffer, which still has what was read and not produced: the input is read on behind what is stored. Without this or `--discard` a run that finds such a rest is refused: the positions of one file mean nothing to another. From Kafka to a file, for any buffer: the input goes on where the group is in any case, and this lets the output go on where it ends. A torn last line of the output is cut off, since its spans come again. A missing output is begun, so that a service can always be started with this; over a file, a run that has finished is not begun again.",
        Default = _ => "false",
        DefaultText = "false",
        InFile = false,
    });

    public static readonly OptionSpec<bool> Discard = Add(new OptionSpec<bool>(new FlagKind())
    {
        Name = "discard",
        Group = OptionGroup.Buffer,
        Summary = "Throw away what an earlier run has left in Redis, and begin from the start.",
        Details = "Removes every key of this name space (`kafka-slice-id`).",
        Default = _ => "false",
        DefaultText = "false",
        InFile = false,
    });

    public static readonly OptionSpec<bool> Drain = Add(new OptionSpec<bool>(new FlagKind())
    {
        Name = "drain",
        Group = OptionGroup.Buffer,
        Summary = "Read nothing of the topic, flush what earlier instances have left in Redis, and end.",
        Details = "For the end of a deployment, with the input, group and buffer that it had, when all its instances have stopped: while the group has members it waits, up to a minute. Segments that are not complete leave as they are. Nothing of Sheaf is in Redis afterwards, and the group's offsets are behind what has left, where whoever comes next goes on.",
        Default = _ => "false",
        DefaultText = "false",
        InFile = false,
    });

    public static readonly OptionSpec<DeadLetterTarget> DeadLetter = Add(new OptionSpec<DeadLetterTarget>(new DeadLetterKind())
    {
        Name = "dead-letter",
        Group = OptionGroup.BadMessages,
        Summary = "Where messages go that cannot be used; stop ends the run at the first one.",
        Details = "A file gets one JSON line per message, with the reason, the field and the place, behind what it holds already; it is made when the first one is written, and several instances may share it. A topic (`kafka:TOPIC`, on the brokers of the output, or else of the input) gets each message as it came, with all that as headers; of one that is larger than the topic takes the beginning, and a header says so. `sheaf dlq` lists them and puts them back (docs/operations.md). On by default: a bad message is kept, never skipped.",
        Default = _ => "file:sheaf-dead-letters.jsonl",
        DefaultText = "file:sheaf-dead-letters.jsonl",
    });

    public static readonly OptionSpec<decimal> DeadLetterMaxRatio = Add(new OptionSpec<decimal>(new RatioKind())
    {
        Name = "dead-letter-max-ratio",
        Group = OptionGroup.BadMessages,
        Summary = "Share of messages that may be dead letters, after the first 1000; 1 is no limit.",
        Details = "Counted for each partition of a topic, or for a file as a whole. More than this means that the input is not what it should be, and the run stops with exit code 3. The default lets single broken clients pass.",
        Default = _ => "0.01",
        DefaultText = "0.01",
        Reloadable = true,
    });

    public static readonly OptionSpec<int> DeadLetterMaxConsecutive = Add(new OptionSpec<int>(new IntegerKind<int>(0, 1_000_000_000))
    {
        Name = "dead-letter-max-consecutive",
        Group = OptionGroup.BadMessages,
        Summary = "Dead letters in a row that stop the run; 0 is off.",
        Details = "Counted for each partition of a topic, or for a file as a whole. Sees at once when an input has become unusable, where the ratio would take long. The default is more than one broken batch.",
        Default = _ => "1000",
        DefaultText = "1000",
        Reloadable = true,
    });

    public static readonly OptionSpec<FrozenSet<long>> DropOrganizations = Add(new OptionSpec<FrozenSet<long>>(new IdSetKind())
    {
        Name = "drop-organizations",
        Group = OptionGroup.DropRules,
        Summary = "Organizations whose spans are dropped (and counted).",
        Details = "For an organization that floods the input. Nothing by default.",
        Default = _ => "",
        DefaultText = "none",
        Reloadable = true,
    });

    public static readonly OptionSpec<FrozenSet<long>> DropProjects = Add(new OptionSpec<FrozenSet<long>>(new IdSetKind())
    {
        Name = "drop-projects",
        Group = OptionGroup.DropRules,
        Summary = "Projects whose spans are dropped (and counted).",
        Details = "For a project that floods the input. Nothing by default.",
        Default = _ => "",
        DefaultText = "none",
        Reloadable = true,
    });

    public static readonly OptionSpec<FrozenSet<TraceId>> DropTraces = Add(new OptionSpec<FrozenSet<TraceId>>(new TraceIdSetKind())
    {
        Name = "drop-traces",
        Group = OptionGroup.DropRules,
        Summary = "Traces whose spans are dropped (and counted).",
        Details = "For a runaway trace. Nothing by default.",
        Default = _ => "",
        DefaultText = "none",
        Reloadable = true,
    });

    public static readonly OptionSpec<ProgressMode> Progress = Add(new OptionSpec<ProgressMode>(
        new ChoiceKind<ProgressMode>(("auto", ProgressMode.Auto), ("always", ProgressMode.Always), ("never", ProgressMode.Never)))
    {
        Name = "progress",
        Group = OptionGroup.Display,
        Summary = "Progress on standard error; auto shows it on a terminal only.",
        Details = "On a terminal it is one line that is written over; elsewhere, with `always`, each is a line of its own. Twice a second.",
        Default = _ => "auto",
        DefaultText = "auto",
    });

    public static readonly OptionSpec<SummaryFormat> Summary = Add(new OptionSpec<SummaryFormat>(
        new ChoiceKind<SummaryFormat>(("text", SummaryFormat.Text), ("json", SummaryFormat.Json), ("none", SummaryFormat.None)))
    {
        Name = "summary",
        Group = OptionGroup.Display,
        Summary = "How the end of the run is told on standard error; json is one line.",
        Details = "Shows where every span went, and whether that adds up. `json` is for scripts.",
        Default = _ => "text",
        DefaultText = "text",
    });

    public static readonly OptionSpec<LogLevel> LogLevel = Add(new OptionSpec<LogLevel>(new ChoiceKind<LogLevel>(
        ("trace", Microsoft.Extensions.Logging.LogLevel.Trace),
        ("debug", Microsoft.Extensions.Logging.LogLevel.Debug),
        ("information", Microsoft.Extensions.Logging.LogLevel.Information),
        ("info", Microsoft.Extensions.Logging.LogLevel.Information),
        ("warning", Microsoft.Extensions.Logging.LogLevel.Warning),
        ("error", Microsoft.Extensions.Logging.LogLevel.Error),
        ("critical", Microsoft.Extensions.Logging.LogLevel.Critical),
        ("none", Microsoft.Extensions.Logging.LogLevel.None)))
    {
        Name = "log-level",
        OtherNames = ["--loglevel", "-l"],
        Group = OptionGroup.Display,
        Summary = "Least important log events that are written to standard error.",
        Details = "error: data lost, or a person is needed; warning: something failed and was mended; information: a few lines at start, stop and change, and one at each `log-interval`; debug: each batch and retry, and each shard once a second. On a terminal the progress line tells how the run gets on, and the default is `warning`. The events are listed in docs/operations.md.",
        Default = machine => machine.HasTerminal ? "warning" : "information",
        DefaultText = "information; on a terminal warning",
        Example = "warning",
        Reloadable = true,
    });

    public static readonly OptionSpec<LogFormat> LogFormat = Add(new OptionSpec<LogFormat>(
        new ChoiceKind<LogFormat>(("text", Configuration.LogFormat.Text), ("json", Configuration.LogFormat.Json)))
    {
        Name = "log-format",
        Group = OptionGroup.Display,
        Summary = "How log events are written: lines for people, or a JSON object each.",
        Details = "`json`: `time`, `level`, `category`, `event` (the id), `text` and `fields` (the values in the text, by name), for programs that collect logs. With it, `--summary json` or `none` keeps everything on standard error JSON.",
        Default = _ => "text",
        DefaultText = "text",
    });

    public static readonly OptionSpec<TimeSpan> LogInterval = Add(new OptionSpec<TimeSpan>(new DurationKind(Second, Hour, zeroIsOff: true))
    {
        Name = "log-interval",
        Group = OptionGroup.Display,
        Summary = "How often a line in the log tells how the run gets on; 0 is never.",
        Details = "At level information: rates in and out, what is buffered, lag, how long the input was paused, and the ledger so far.",
        Default = _ => "1m",
        DefaultText = "1m",
    });

    public static readonly OptionSpec<string> Config = Add(new OptionSpec<string>(new PathKind(allowsDash: false))
    {
        Name = "config",
        Group = OptionGroup.Display,
        Summary = "A JSON file with options; it is watched while a run goes on.",
        Details = "Comments and trailing commas are allowed. `sheaf config sample` prints one to start from.",
        DefaultText = "none",
        InFile = false,
    });

    /// <summary>In the order in which they are shown.</summary>
    public static IReadOnlyList<OptionSpec> All => Table;

    /// <summary>Heading of a group.</summary>
    public static string Heading(OptionGroup group) => group switch
    {
        OptionGroup.Files => "Input and output",
        OptionGroup.Kafka => "Kafka",
        OptionGroup.Segments => "Segments",
        OptionGroup.Workers => "Workers",
        OptionGroup.Buffer => "Buffer",
        OptionGroup.BadMessages => "Bad messages",
        OptionGroup.DropRules => "Drop rules",
        OptionGroup.Display => "Display and configuration",
    };

    private static OptionSpec<T> Add<T>(OptionSpec<T> spec)
        where T : notnull
    {
        Table.Add(spec);
        return spec;
    }
}
