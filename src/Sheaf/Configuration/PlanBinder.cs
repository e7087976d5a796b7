using Sheaf.Files;
using Sheaf.Ingesting;
using Sheaf.Kafka;
using Sheaf.Segments;

namespace Sheaf.Configuration;

/// <summary>The one place where options become the plan, and where options that do not go together are found.</summary>
internal static class PlanBinder
{
    /// <summary>Everything that is wrong with the options, without looking at the files that they name.</summary>
    public static IReadOnlyList<ConfigurationFault> Check(EffectiveOptions options)
    {
        List<ConfigurationFault> faults = [.. options.Faults];
        AddContradictions(options, faults);
        return faults;
    }

    /// <summary>What each option may be for itself, and the options may not be together.</summary>
    private static void AddContradictions(EffectiveOptions options, List<ConfigurationFault> faults)
    {
        bool inMemory = options.Find(OptionTable.Buffer) is { Value: BufferTarget.Memory };
        void Add(OptionSpec option, string problem) => faults.Add(new ConfigurationFault(option.CommandLineName, problem, options.Find(option)!.Source));

        foreach (OptionSpec<bool> option in (OptionSpec<bool>[])[OptionTable.Resume, OptionTable.Discard, OptionTable.Drain])
        {
            if (options.Get(option) && inMemory && !(option == OptionTable.Resume && ContinuesFile(options)))
                Add(option, "there is nothing of an earlier run in memory; it is for a Redis buffer (--buffer redis://…)");
        }
        if (options.Get(OptionTable.Resume) && options.Get(OptionTable.Discard)) Add(OptionTable.Discard, "and --resume exclude each other");
        if (options.Get(OptionTable.Resume) && options.Get(OptionTable.Overwrite)) Add(OptionTable.Overwrite, "and --resume exclude each other: a run that goes on continues its output");

        KafkaAddress? input = AddressOf(options, OptionTable.Input, KafkaAddressRole.Input), output = AddressOf(options, OptionTable.Output, KafkaAddressRole.Output);
        if (input is not null)
        {
            string? group = options.Find(OptionTable.ConsumerGroup)?.Text;
            // One that was given wrongly has its fault already.
            if (input.Group.Length == 0 && group is null && faults.TrueForAll(f => f.Subject != OptionTable.ConsumerGroup.CommandLineName))
                Add(OptionTable.Input, $"'{OptionTable.Input.Shown(options.Get(OptionTable.Input))}' names no consumer group, under which Sheaf notes what it has read: give --consumer-group NAME, or ?group=NAME");
            else if (input.Group.Length > 0 && group is not null && group != input.Group)
                Add(OptionTable.ConsumerGroup, $"'{group}' is not the group in --input, '{input.Group}': name it once");
            const string GoesOn = "with Kafka a run always goes on where its group is, and its buffer is shared by all instances";
            if (options.Get(OptionTable.Discard)) Add(OptionTable.Discard, $"is for a file: {GoesOn}");
            if (options.Get(OptionTable.Resume) && !ContinuesFile(options)) Add(OptionTable.Resume, $"is for a file, as input or as output: {GoesOn}");
            if (output is not null && output.Brokers == input.Brokers && output.Topics.Contains(input.Topic)) Add(OptionTable.Output, $"topic {input.Topic} is that of --input too");
        }
        else if (options.Get(OptionTable.Drain))
        {
            Add(OptionTable.Drain, "is for a topic: of a file, --resume reads the rest and flushes everything");
        }
        if (options.Find(OptionTable.DeadLetter) is { Value: DeadLetterTarget.Kafka letters })
        {
            if (input is null && output is null) Add(OptionTable.DeadLetter, $"'kafka:{letters.Topic}' is on the brokers of the output or the input, and neither is Kafka; use file:PATH");
            else if (letters.Topic == input?.Topic || output?.Topics.Contains(letters.Topic) == true) Add(OptionTable.DeadLetter, $"topic {letters.Topic} is that of the input or the output too");
        }

        if (options.Get(OptionTable.Delivery) == DeliveryGuarantee.ExactlyOnce)
        {
            if (input is null || output is null) Add(OptionTable.Delivery, "'exactly-once' is from Kafka to Kafka: input and output must be topics");
            if (!inMemory) Add(OptionTable.Delivery, "'exactly-once' needs --buffer memory: what is in Redis cannot be part of Kafka's transaction");
            if (options.Find(OptionTable.ProgressTopic)?.Text == OptionTable.NoProgressTopic) Add(OptionTable.Delivery, "'exactly-once' needs a progress topic");
        }
        if (options.Find(OptionTable.ProgressTopic) is { } progress && input is not null && (progress.Text == input.Topic || output?.Topics.Contains(progress.Text) == true))
            Add(OptionTable.ProgressTopic, $"topic {progress.Text} is that of the input or the output too");

        TimeSpan longest = options.Get(OptionTable.Timeout) > options.Get(OptionTable.RootTimeout) ? options.Get(OptionTable.Timeout) : options.Get(OptionTable.RootTimeout);
        if (!inMemory && options.Get(OptionTable.RedisTtl) < 2 * longest)
            Add(OptionTable.RedisTtl, $"'{options.Find(OptionTable.RedisTtl)!.Text}' is shorter than twice the longer of timeout and root-timeout: spans would expire before their segment closes");

        if (options.Find(OptionTable.FlusherIsolation) is not { Value: FlusherIsolation.Process }) return;
        if (inMemory) Add(OptionTable.FlusherIsolation, "'process' needs a buffer outside of this process (--buffer redis://…)");
        else if (WhyNotProcesses(options) is { } reason) Add(OptionTable.FlusherIsolation, $"'process': {reason}, or use --flusher-isolation thread");
    }

    private static FlusherIsolation IsolationOf(EffectiveOptions options) => options.Find(OptionTable.FlusherIsolation) is not null
        ? options.Get(OptionTable.FlusherIsolation)
        : options.Get(OptionTable.Buffer) is BufferTarget.Redis && WhyNotProcesses(options) is null ? FlusherIsolation.Process : FlusherIsolation.Thread;

    private static string? WhyNotProcesses(EffectiveOptions options) =>
        options.Find(OptionTable.Output) is { } output && !KafkaAddress.IsKafka(output.Text) ? OutputPath.WhyNotShareable(output.Text) : null;

    /// <summary>From a topic to a file: <c>--resume</c> writes on behind what earlier runs have written.</summary>
    private static bool ContinuesFile(EffectiveOptions options) =>
        options.Find(OptionTable.Input) is { } input && KafkaAddress.IsKafka(input.Text) && options.Find(OptionTable.Output) is { } output && IsFile(output.Text);

    /// <summary>The plan for a run, or every reason why it cannot begin. Looks at the files, opens none.</summary>
    public static ProcessSpansPlan? Bind(EffectiveOptions options, out IReadOnlyList<ConfigurationFault> faults)
    {
        List<ConfigurationFault> found = [.. Check(options)];
        AddMissing(options, found);
        AddUnusableFiles(options, found);
        faults = found;
        if (found.Count > 0) return null;
        return new ProcessSpansPlan
        {
            Input = options.Get(OptionTable.Input),
            InputFormat = options.Get(OptionTable.InputFormat),
            KafkaInput = KafkaInputOf(options),
            Output = options.Get(OptionTable.Output),
            KafkaOutput = KafkaOutputOf(options),
            Delivery = options.Get(OptionTable.Delivery),
            ExistingOutput = options.Get(OptionTable.Resume) ? ExistingContent.Resume
                : options.Get(OptionTable.Overwrite) ? ExistingContent.Overwrite
                : ExistingContent.Refuse,
            WithHeaders = options.Get(OptionTable.WithHeaders),
            MaxMessageBytes = (int)options.Get(OptionTable.MaxMessageBytes),
            Rules = new SegmentRules(
                (long)options.Get(OptionTable.Timeout).TotalMilliseconds,
                (long)options.Get(OptionTable.RootTimeout).TotalMilliseconds,
                (long)options.Get(OptionTable.MaxSegmentAge).TotalMilliseconds,
                MaxSegmentBytesOf(options) ?? SegmentRules.UsualMaxSegmentBytes),
            Shards = options.Get(OptionTable.Shards),
            FlusherProcesses = options.Get(OptionTable.FlusherProcesses),
            MaxBufferBytes = options.Get(OptionTable.MaxBufferBytes).On(options.Machine),
            OnBufferFull = options.Get(OptionTable.OnBufferFull),
            Buffer = options.Get(OptionTable.Buffer),
            Isolation = IsolationOf(options),
            EarlierRun = options.Get(OptionTable.Drain) ? EarlierRun.Drain
                : options.Get(OptionTable.Resume) ? EarlierRun.Resume
                : options.Get(OptionTable.Discard) ? EarlierRun.Discard
                : EarlierRun.Refuse,
            MaxMemoryShare = (double)options.Get(OptionTable.MaxMemoryPercentage),
            RedisTtl = options.Get(OptionTable.RedisTtl),
            CompressionLevel = options.Get(OptionTable.CompressionLevel),
            SliceId = options.Find(OptionTable.KafkaSliceId) is null ? null : options.Get(OptionTable.KafkaSliceId),
            MaxUnhealthy = options.Get(OptionTable.MaxUnhealthySeconds),
            Backpressure = options.Get(OptionTable.BackpressureSeconds),
            ShutdownTimeout = options.Get(OptionTable.ShutdownTimeout),
            DeadLetter = options.Get(OptionTable.DeadLetter),
            Progress = options.Get(OptionTable.Progress),
            Summary = options.Get(OptionTable.Summary),
            LogFormat = options.Get(OptionTable.LogFormat),
            LogInterval = options.Get(OptionTable.LogInterval),
            ConfigPath = options.Find(OptionTable.Config)?.Text,
            Reloadable = BindReloadable(options),
        };
    }

    private static KafkaAddress? AddressOf(EffectiveOptions options, OptionSpec<string> option, KafkaAddressRole role) =>
        options.Find(option) is { } value && KafkaAddress.TryParse(value.Text, role, out KafkaAddress address, out _) ? address : null;

    private static KafkaInputPlan? KafkaInputOf(EffectiveOptions options)
    {
        if (AddressOf(options, OptionTable.Input, KafkaAddressRole.Input) is not { } address) return null;
        if (options.Find(OptionTable.ConsumerGroup) is { } group) address = address with { Group = group.Text };
        var consumer = new KafkaConsumerOptions
        {
            Address = address,
            Config = KafkaConfigKind.Read(options.Get(OptionTable.KafkaConfig)),
            AutoOffsetReset = options.Get(OptionTable.AutoOffsetReset),
            StrictOffsetReset = !options.Get(OptionTable.NoStrictOffsetReset),
            MaxPollInterval = TimeSpan.FromMilliseconds(options.Get(OptionTable.MaxPollIntervalMs)),
            GroupInstanceId = options.Find(OptionTable.GroupInstanceId)?.Text ?? "",
        };
        return new KafkaInputPlan(consumer, new KafkaSourceOptions(
            options.Get(OptionTable.MaxBatchSize), TimeSpan.FromMilliseconds(options.Get(OptionTable.MaxBatchTimeMs)), options.Get(OptionTable.ClockSlack)),
            ProgressTopicOf(options, address));
    }

    /// <summary>By default named after the group; what a topic's name may not have becomes a dash.</summary>
    private static string? ProgressTopicOf(EffectiveOptions options, KafkaAddress input)
    {
        const string End = ".sheaf-progress";
        if (options.Find(OptionTable.ProgressTopic) is { } given) return given.Text == OptionTable.NoProgressTopic ? null : given.Text;
        string name = string.Concat(input.Group.Select(c => KafkaAddress.IsTopicName($"{c}x") ? c : '-'));
        return name[..Math.Min(name.Length, KafkaAddress.MaxTopicLength - End.Length)] + End;
    }

    private static KafkaOutputOptions? KafkaOutputOf(EffectiveOptions options) =>
        AddressOf(options, OptionTable.Output, KafkaAddressRole.Output) is not { } address ? null : new KafkaOutputOptions
        {
            Address = address,
            Config = KafkaConfigKind.Read(options.Get(OptionTable.KafkaConfig)),
            Key = options.Get(OptionTable.OutputKey),
            MaxSegmentBytes = MaxSegmentBytesOf(options),
        };

    /// <summary>Null where none is given: what fits is known when the output's topics are.</summary>
    private static int? MaxSegmentBytesOf(EffectiveOptions options) =>
        options.Find(OptionTable.MaxSegmentBytes) is null ? null : (int)options.Get(OptionTable.MaxSegmentBytes);

    /// <summary>The reloadable part; only of options without faults.</summary>
    public static ReloadablePlan BindReloadable(EffectiveOptions options) => new(
        new DropRules(options.Get(OptionTable.DropOrganizations), options.Get(OptionTable.DropProjects), options.Get(OptionTable.DropTraces)),
        options.Get(OptionTable.MaxFlushSegments),
        (double)options.Get(OptionTable.DeadLetterMaxRatio),
        options.Get(OptionTable.DeadLetterMaxConsecutive),
        options.Get(OptionTable.LogLevel));

    private static void AddMissing(EffectiveOptions options, List<ConfigurationFault> faults)
    {
        foreach (OptionSpec option in OptionTable.All)
        {
            // One that was given wrongly has its fault already.
            if (option.Required && options.Find(option) is null && faults.TrueForAll(f => f.Subject != option.CommandLineName))
                faults.Add(new ConfigurationFault(option.CommandLineName, $"is required: {option.Range} (or {option.VariableName}, or \"{option.Name}\" in the file)"));
        }
    }

    /// <summary>Files that cannot be what the options want of them, and files that two options want something of.</summary>
    private static void AddUnusableFiles(EffectiveOptions options, List<ConfigurationFault> faults)
    {
        if (options.Find(OptionTable.Input) is { } input)
        {
            if (input.Text == OutputPath.Standard && !StandardStreams.HasInput)
                faults.Add(new ConfigurationFault(OptionTable.Input.CommandLineName, "'-' is standard input, which is closed", input.Source));
            else if (IsFile(input.Text) && Directory.Exists(input.Text))
                faults.Add(new ConfigurationFault(OptionTable.Input.CommandLineName, $"'{input.Text}' is a directory", input.Source));
            else if (IsFile(input.Text) && !File.Exists(input.Text))
                faults.Add(new ConfigurationFault(OptionTable.Input.CommandLineName, $"there is no file '{input.Text}'", input.Source));
            else if (IsFile(input.Text) && FilePlace.WhyNotReadable(input.Text) is { } refusal)
                faults.Add(new ConfigurationFault(OptionTable.Input.CommandLineName, refusal, input.Source));
        }
        if (options.Find(OptionTable.DeadLetter) is { Value: DeadLetterTarget.File deadLetters } given && OutputPath.WhyNotWritable(deadLetters.Path) is { } reason)
            faults.Add(new ConfigurationFault(OptionTable.DeadLetter.CommandLineName, reason, given.Source));
        if (options.Find(OptionTable.Output) is { } output)
        {
            if (output.Text == OutputPath.Standard && !StandardStreams.HasOutput)
                faults.Add(new ConfigurationFault(OptionTable.Output.CommandLineName, "'-' is standard output, which is closed", output.Source));
            else if (IsFile(output.Text) && OutputPath.WhyNotWritable(output.Text) is { } refusal)
                faults.Add(new ConfigurationFault(OptionTable.Output.CommandLineName, refusal, output.Source));
            else if (IsFile(output.Text) && !options.Get(OptionTable.Overwrite) && !options.Get(OptionTable.Resume) && OutputPath.HasContent(output.Text))
                faults.Add(new ConfigurationFault(OptionTable.Output.CommandLineName, $"'{output.Text}' exists and is not empty; {WaysOut(options)}", output.Source));
        }
        AddSharedFiles(options, faults);
    }

    private static string WaysOut(EffectiveOptions options)
    {
        string overwrite = $"{OptionTable.Overwrite.CommandLineName} throws its content away";
        bool mayResume = ContinuesFile(options) || options.Find(OptionTable.Buffer) is { Value: BufferTarget.Redis };
        return mayResume ? $"{OptionTable.Resume.CommandLineName} goes on behind its last whole line, {overwrite}" : overwrite;
    }

    /// <summary>By identity, whatever they are called: a run that empties its input, or tears its output, would end well and have lost everything.</summary>
    private static void AddSharedFiles(EffectiveOptions options, List<ConfigurationFault> faults)
    {
        var users = new List<(FilePlace Place, string User)>();
        foreach ((OptionSpec option, FilePlace? found) in PlacesOf(options))
        {
            if (found is not { } place) continue;
            foreach ((FilePlace other, string user) in users)
            {
                if (other != place) continue;
                EffectiveValue value = options.Find(option)!;
                faults.Add(new ConfigurationFault(option.CommandLineName, $"'{value.Text}' is the file of {user} too", value.Source));
            }
            users.Add((place, option.CommandLineName));
            // What is logged would stand between the segments.
            if (option == OptionTable.Output && FilePlace.OfDescriptor(StandardStreams.Error) == place)
                faults.Add(new ConfigurationFault(option.CommandLineName, $"'{options.Find(option)!.Text}' is the file that standard error goes to", options.Find(option)!.Source));
        }
    }

    private static IEnumerable<(OptionSpec Option, FilePlace? Place)> PlacesOf(EffectiveOptions options)
    {
        if (options.Find(OptionTable.Input) is { } input && !KafkaAddress.IsKafka(input.Text))
            yield return (OptionTable.Input, input.Text == PathKind.Dash ? FilePlace.OfDescriptor(StandardStreams.Input) : FilePlace.Of(input.Text));
        if (options.Find(OptionTable.Output) is { } output && !KafkaAddress.IsKafka(output.Text))
            yield return (OptionTable.Output, output.Text == PathKind.Dash ? FilePlace.OfDescriptor(StandardStreams.Output) : FilePlace.Of(output.Text));
        if (options.Find(OptionTable.DeadLetter) is { Value: DeadLetterTarget.File letters }) yield return (OptionTable.DeadLetter, FilePlace.Of(letters.Path));
        if (options.Find(OptionTable.Config) is { } config) yield return (OptionTable.Config, FilePlace.Of(config.Text));
    }

    private static bool IsFile(string text) => text != PathKind.Dash && !KafkaAddress.IsKafka(text);
}
