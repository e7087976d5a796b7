using Sheaf.Kafka;

namespace Sheaf.DeadLetters;

/// <summary>What a redrive has done so far. Owner: the redrive.</summary>
internal sealed class RedriveReport
{
    public long Read { get; set; }

    /// <summary>Sent and acknowledged; of a dry run, what would be.</summary>
    public long Sent { get; set; }

    public long SentBytes { get; set; }

    /// <summary>Letters that the filters leave out.</summary>
    public long LeftOut { get; set; }

    /// <summary>Letters that were meant and could not be sent, each told.</summary>
    public long NotSent { get; set; }

    public bool ReachedLimit { get; set; }

    /// <summary>Everything up to there is done.</summary>
    public LetterPlace? Last { get; set; }
}

/// <summary>What a redrive is to do. Immutable.</summary>
/// <param name="Limit">Most letters that are sent; 0 = all.</param>
/// <param name="IsDry">Nothing is sent and no progress noted.</param>
internal sealed record RedrivePlan(LetterFilter Filter, long Limit, bool IsDry);

/// <summary>
/// Puts the messages of dead letters back, as they came. What was there at the start is read, once, and what comes back as a dead letter meanwhile is behind that: so a redrive ends, also
/// where every message is bad again. Runs once.
/// </summary>
/// <param name="note">Notes that everything before these offsets of the letters' topic is done; null where nobody wants to know.</param>
/// <param name="sending">Told of each message that is, or in a dry run would be, sent: letter, topic, partition.</param>
/// <param name="refused">Told of each letter that cannot be sent, and why not.</param>
internal sealed class Redrive(
    ILetterSource letters, RedriveTargets targets, RedrivePlan plan, RedrivePace pace, Func<PartitionOffset[], ValueTask>? note,
    Action<KeptLetter, string, int> sending, Action<KeptLetter, string> refused)
{
    // Also a bound for what a group holds in memory.
    private const int GroupBytes = 16 << 20;

    // How long messages that are under way may take to be acknowledged once it is told to stop.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    private readonly List<(KafkaRedriveSink Topic, RedrivenMessage Message)> _group = [];
    private readonly Dictionary<int, long> _done = []; // by partition: behind what is read
    private long _groupBytes;

    public RedriveReport Report { get; } = new();

    /// <exception cref="OperationCanceledException">It was told to stop. What was sent is acknowledged and noted.</exception>
    /// <exception cref="SheafException">The letters cannot be read, or a topic does not take them. <see cref="Report"/> says how far it got.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!Report.ReachedLimit && await letters.ReadAsync(stop) is { Count: > 0 } read)
        {
            foreach (KeptLetter letter in read)
            {
                await TakeAsync(letter, stop);
                if (Report.ReachedLimit) break;
            }
        }
        await FlushAsync(stop);
    }

    private async ValueTask TakeAsync(KeptLetter letter, CancellationToken stop)
    {
        Report.Read++;
        if (!plan.Filter.Matches(letter))
        {
            Report.LeftOut++;
        }
        else
        {
            (KafkaRedriveSink? topic, RedrivenMessage message, string whyNot) = await targets.FindAsync(letter, $"{letters.Name}:{letter.Place}", stop);
            if (topic is null)
            {
                Report.NotSent++;
                refused(letter, whyNot);
            }
            else
            {
                sending(letter, topic.Topic, message.Partition);
                _group.Add((topic, message));
                _groupBytes += message.Value.Length;
            }
        }
        _done[letter.Place.Partition] = letter.Place.Offset + 1;
        Report.ReachedLimit = plan.Limit > 0 && Report.Sent + _group.Count >= plan.Limit;
        if (_group.Count >= pace.GroupSize || _groupBytes >= GroupBytes) await FlushAsync(stop);
    }

    /// <summary>Sends the group, waits for its acknowledgements, and notes that everything read so far is done.</summary>
    private async ValueTask FlushAsync(CancellationToken stop)
    {
        if (!plan.IsDry && _group.Count > 0)
        {
            await pace.WaitAsync(_group.Count, stop);
            // What was begun is finished: a message that may or may not be there would come twice.
            using var patience = new CancellationTokenSource();
            await using CancellationTokenRegistration stopping = stop.Register(() => patience.CancelAfter(Grace));
            foreach (IGrouping<KafkaRedriveSink, (KafkaRedriveSink Topic, RedrivenMessage Message)> topic in _group.GroupBy(g => g.Topic))
                await topic.Key.ProduceAsync([.. topic.Select(g => g.Message)], patience.Token);
        }
        Report.Sent += _group.Count;
        Report.SentBytes += _groupBytes;
        _group.Clear();
        _groupBytes = 0;
        if (_done.Count == 0) return;
        if (!plan.IsDry && note is not null) await note([.. _done.Select(d => new PartitionOffset(d.Key, d.Value))]);
        if (_done.TryGetValue(-1, out long line)) Report.Last = LetterPlace.Line(line - 1);
        _done.Clear();
    }
}
