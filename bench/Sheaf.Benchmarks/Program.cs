using Sheaf.Benchmarks;

// One line for each benchmark; its code is in a file of its name.
var benchmarks = new Dictionary<string, Action>
{
    ["parser"] = ParserBench.Run,
    ["assembler"] = AssemblerBench.Run,
    ["writer"] = WriterBench.Run,
    ["engine"] = EngineBench.Run,
    ["engine-memory"] = EngineBench.RunMemory,
};

if (args.Length == 0 || args.Any(name => !benchmarks.ContainsKey(name)))
{
    Console.Error.WriteLine($"usage: dotnet run -c Release --project bench/Sheaf.Benchmarks -- {string.Join('|', benchmarks.Keys)} ...");
    return 2;
}
foreach (string name in args) benchmarks[name]();
return 0;
