using Sheaf.Load;

if (args is ["--help"] or ["-h"])
{
    Console.WriteLine(LoadArguments.Help);
    return 0;
}
try
{
    LoadArguments arguments = LoadArguments.Parse(args);
    if (arguments.Redis)
    {
        await new RedisBench(arguments).RunAsync();
        return 0;
    }
    if (arguments.Kafka is not null)
    {
        await KafkaBench.RunAsync(arguments);
        return 0;
    }
    string input = await Input.EnsureAsync(arguments.Folder, arguments.Spans, CancellationToken.None);
    if (arguments.RedisFile)
    {
        await new RedisRunBench(arguments, input).RunAsync();
        return 0;
    }
    var benchmark = new Benchmark(arguments, input, CancellationToken.None);
    if (arguments.Memory) await benchmark.MemoryAsync();
    else if (arguments.InProcess) await benchmark.InProcessAsync();
    else await benchmark.SpeedAsync();
    return 0;
}
catch (Exception e) when (e is FormatException or InvalidOperationException or NotSupportedException or IOException)
{
    await Console.Error.WriteLineAsync(e.Message);
    return e is FormatException ? 2 : 1;
}
