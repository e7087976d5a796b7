namespace Sheaf.Load;

/// <summary>The pipeline within this process: no start-up, code that is compiled, memory that is touched.</summary>
internal static class InProcessRun
{
    /// <summary>Runs the pipeline over a file once.</summary>
    /// <param name="shards">Shards, and with them the cores that are used.</param>
    public static Task RunAsync(string input, string output, int shards, CancellationToken cancel)
    {
        // THE CALL SITE: run the pipeline here, from `input` to `output` over `shards` shards with default rules.
        throw new NotSupportedException($"There is no pipeline in this build to run from {input} to {output} over {shards} shards.");
    }
}
