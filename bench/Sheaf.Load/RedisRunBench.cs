using Sheaf.TestKit.Redis;

namespace Sheaf.Load;

/// <summary>
/// The command, from a file to nowhere, with the memory buffer and with the Redis journal in turn: rate, processor time of ours and of Redis, and what a span that waits takes in Redis. Server and command
/// share the cores. Starting is in every figure.
/// </summary>
internal sealed class RedisRunBench(LoadArguments arguments, string input)
{
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(50);

    public async Task RunAsync()
    {
        await using RedisServer server = await RedisServer.StartAsync(new RedisServerOptions { Listening = RedisListening.UnixSocket });
        (string Name, string[] Words)[] kinds =
        [
            ("memory", []),
            ("redis, zstd 1", ["--buffer", server.Uri]),
            ("redis, threads", ["--buffer", server.Uri, "--flusher-isolation", "thread"]),
            ("redis, plain", ["--buffer", server.Uri, "--compression-level", "-1"]),
        ];
        var figures = kinds.ToDictionary(kind => kind.Name, _ => new Measurements());
        for (int round = 0; round < arguments.Rounds; round++)
            foreach ((string name, string[] words) in kinds) await MeasureAsync(server, words, figures[name]);
        Console.WriteLine("| file to /dev/null | spans/s | of memory | us/span, sheaf | us/span, redis | most waiting spans | B in Redis per waiting span |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- |");
        foreach ((string name, _) in kinds)
        {
            Measurements of = figures[name];
            double rate = of.Median("rate");
            Measurements.Line(
                $"| {name} | {rate:N0} | {rate / figures["memory"].Median("rate"):F2} | {of.Median("own"):F2} | {of.Median("redis"):F2} | {of.Median("waiting"):N0} | {of.Median("bytes"):F0} |");
        }
    }

    private async Task MeasureAsync(RedisServer server, string[] words, Measurements into)
    {
        await using TestRedis client = await TestRedis.ConnectAsync(server.Address);
        await client.AskAsync("FLUSHALL");
        double cpuBefore = await RedisFigures.CpuAsync(client), empty = await RedisFigures.NumberAsync(client, "memory", "used_memory");
        using var ended = new CancellationTokenSource();
        Task<(long, double)> watching = WatchAsync(client, empty, ended.Token);
        ChildRun run = await ChildRun.RunAsync(
            arguments.Sheaf,
            ["process-spans", "--input", input, "--output", "/dev/null", "--timeout", "2s", "--root-timeout", "2s", "--flusher-processes", "2", "--summary", "json", .. words],
            cores: 0, CancellationToken.None);
        await ended.CancelAsync();
        (long waiting, double bytes) = await watching;
        long spans = run.Summary!.Value.GetProperty("produced").GetInt64();
        if (spans != arguments.Spans) throw new InvalidOperationException($"{spans} spans were produced, {arguments.Spans} were in the input");
        into.Add("rate", spans / run.Wall);
        into.Add("own", run.Cpu * 1e6 / spans);
        into.Add("redis", (await RedisFigures.CpuAsync(client) - cpuBefore) * 1e6 / spans);
        into.Add("waiting", waiting);
        into.Add("bytes", bytes);
    }

    /// <summary>At the moment at which most spans wait: how many, and what each takes.</summary>
    private static async Task<(long Waiting, double Bytes)> WatchAsync(TestRedis client, double empty, CancellationToken ended)
    {
        (long Waiting, double Bytes) most = default;
        while (!ended.IsCancellationRequested)
        {
            long waiting = 0;
            foreach (TestReply key in (await client.AskAsync("KEYS", "sheaf:*:state")).Children)
            {
                TestReply counts = await client.AskAsync("HMGET", key.Text(), "appended_spans", "settled_spans");
                if (!counts.Children[0].IsNull && !counts.Children[1].IsNull) waiting += counts.Children[0].Number - counts.Children[1].Number;
            }
            double used = await RedisFigures.NumberAsync(client, "memory", "used_memory") - empty;
            if (waiting > most.Waiting) most = (waiting, used / waiting);
            await Task.Delay(BetweenLooks, CancellationToken.None);
        }
        return most;
    }
}
