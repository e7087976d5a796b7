using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Flushing;
using Sheaf.Spans;
using Sheaf.Supervision;

namespace Sheaf.TestWorkers;

/// <summary>
/// A buffer for one worker process: the memory engine, with what the address says: <c>test:TRACES</c>, of one span each, received at 0 ms, in each shard.
/// <c>log</c> in the place of a number logs an event; <c>hang</c> never opens; <c>crash</c> brings the runtime down.
/// </summary>
internal static partial class TestBuffer
{
    public static async ValueTask<ISpanClaimer> OpenAsync(WorkerAssignment assignment, ControlBlock control, ILoggerFactory logs, CancellationToken cancel)
    {
        string what = assignment.Buffer.Address["test:".Length..];
        switch (what)
        {
            case "hang":
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, CancellationToken.None);
                break;
            case "crash":
                var thread = new Thread(() => throw new InvalidOperationException("a thread of the worker failed"));
                thread.Start();
                thread.Join();
                break;
            case "log":
                Log.Opened(logs.CreateLogger("Sheaf.TestBuffer"), assignment.Buffer, new InvalidOperationException("not really"));
                what = "0";
                break;
        }

        var memory = new MemoryBuffer(assignment.Rules, assignment.Shards.Max() + 1, maxBytes: long.MaxValue);
        MemorySpanBuffer client = memory.OpenClient();
        foreach (int shard in assignment.Shards)
            for (int trace = 0; trace < int.Parse(what, CultureInfo.InvariantCulture); trace++) await client.AppendAsync(Batch(shard, trace), cancel);
        return client;
    }

    private static SpanBatch Batch(int shard, int trace)
    {
        byte[] message = Encoding.UTF8.GetBytes(string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"trace_id":"{{shard:x8}}{{trace + 1:x24}}","span_id":"00000000000000ab","project_id":1,"organization_id":1,"start_timestamp":0,"end_timestamp":0,"received":0,"retention_days":90,"status":"ok"}"""));
        var batch = new SpanBatch(new ShardId(shard));
        batch.Reset(message);
        ref TraceSpan span = ref batch.Add();
        if (!new JsonSpanParser().TryParse(message, ref span, out SpanFault fault)) throw new InvalidOperationException(fault.Describe(message));
        span.SourceOffset = trace;
        span.StreamTimeMs = 0;
        span.PayloadStart = 0;
        span.PayloadLength = message.Length;
        return batch;
    }

    private static partial class Log
    {
        [LoggerMessage(4711, LogLevel.Warning, "Opened {Buffer}")]
        public static partial void Opened(ILogger logger, BufferAddress buffer, Exception error);
    }
}
