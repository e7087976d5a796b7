using Sheaf.Ingesting;
using Sheaf.Spans;

namespace Sheaf.TestKit.Running;

/// <summary>A message of a test's input.</summary>
/// <param name="TimestampMs">As the broker's; none where <c>received</c> is the time.</param>
/// <param name="Shard">Its partition; null where the trace id decides.</param>
public sealed record TestMessage(byte[] Bytes, long TimestampMs = InputMessage.NoTimestamp, int? Shard = null);

/// <summary>Messages from a list, cut into blocks at random, with random pauses between them. The source offset is the place in the list.</summary>
/// <param name="chance">Null: one block, no pauses (or one block for each change of partition).</param>
public sealed class MessageListSource(IReadOnlyList<TestMessage> messages, Random? chance = null) : ISpanSource
{
    private readonly TaskCompletionSource _held = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _goOn = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _next;

    public string Name => "test input";

    /// <summary>Thrown at the end instead of ending, when set.</summary>
    public Exception? Failure { get; init; }

    /// <summary>Reading this message and the next ones waits for <see cref="GoOn"/>.</summary>
    public int HoldAt { get; init; } = messages.Count;

    /// <summary>Completes when the reading has come to <see cref="HoldAt"/> and waits.</summary>
    public Task Held => _held.Task;

    /// <summary>How far it has been read.</summary>
    public int Read => Volatile.Read(ref _next);

    /// <summary>Ends the waiting at <see cref="HoldAt"/>.</summary>
    public void GoOn() => _goOn.TrySetResult();

    public async ValueTask<bool> ReadAsync(InputBlock into, CancellationToken cancel)
    {
        if (chance is not null) await TestDelay.RandomAsync(chance, cancel);
        if (_next == messages.Count) return Failure is null ? false : throw Failure;
        if (_next == HoldAt)
        {
            _held.TrySetResult();
            await _goOn.Task.WaitAsync(cancel);
        }
        int end = _next < HoldAt ? HoldAt : messages.Count;
        int? shard = messages[_next].Shard;
        into.Reset(shard is null ? null : new ShardId(shard.Value));
        int most = chance is null ? int.MaxValue : TestDelay.Next(chance, 1, 20);
        int length = 0;
        int next = _next;
        for (; next < end && most-- > 0 && messages[next].Shard == shard; next++)
        {
            byte[] bytes = messages[next].Bytes;
            into.Grow(Math.Max(length + bytes.Length, 2 * length), length);
            bytes.CopyTo(into.Buffer[length..]);
            into.Add(new InputMessage(length, bytes.Length, next, messages[next].TimestampMs));
            length += bytes.Length;
        }
        Volatile.Write(ref _next, next);
        return true;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>Pauses that shake the order in which things happen, without taking long.</summary>
internal static class TestDelay
{
    /// <summary>Draws a number. Several threads share a run's generator.</summary>
    public static int Next(Random chance, int from, int below)
    {
        lock (chance) return chance.Next(from, below);
    }

    public static async ValueTask RandomAsync(Random chance, CancellationToken cancel)
    {
        int dice = Next(chance, 0, 20);
        if (dice == 0) await Task.Delay(1, cancel);
        else if (dice < 8) await Task.Yield();
    }
}
