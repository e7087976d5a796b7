using System.Text;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Segments;

namespace Sheaf.TestKit.Running;

/// <summary>A message as a sink received it.</summary>
public sealed record ProducedMessage(SegmentMessage Header, string Body);

/// <summary>Keeps what was produced. Shared by all workers of a run, as a topic would be.</summary>
/// <param name="chance">Null: no pauses.</param>
public sealed class RecordingSink(Random? chance = null) : ISegmentSink
{
    private readonly List<ProducedMessage> _messages = [];

    /// <summary>Asked before anything is kept; may throw.</summary>
    public Action? BeforeProduce { get; set; }

    /// <summary>Awaited before anything is kept: an output that makes its writers wait.</summary>
    public Task Ready { get; set; } = Task.CompletedTask;

    public IReadOnlyList<ProducedMessage> Messages
    {
        get
        {
            lock (_messages) return [.. _messages];
        }
    }

    public async ValueTask ProduceAsync(SegmentBatch batch, CancellationToken cancel)
    {
        if (chance is not null) await TestDelay.RandomAsync(chance, cancel);
        await Ready.WaitAsync(cancel);
        BeforeProduce?.Invoke();
        lock (_messages)
        {
            foreach (SegmentMessage message in batch.Messages) _messages.Add(new ProducedMessage(message, Encoding.UTF8.GetString(batch.BodyOf(message))));
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>Keeps dead letters, and how many came together.</summary>
public sealed class DeadLetterList : IDeadLetterSink
{
    public List<(DeadLetter Letter, byte[] Message)> Letters { get; } = [];

    public List<int> Writes { get; } = [];

    public ValueTask WriteAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancel)
    {
        Writes.Add(letters.Count);
        foreach (DeadLetter letter in letters) Letters.Add((letter, letter.Message.ToArray()));
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
