using System.Diagnostics;

namespace Sheaf.SystemTests.Processes;

/// <summary>The built <c>sheaf</c>, run as its users run it.</summary>
internal static class SheafProcess
{
    private static readonly TimeSpan MostTime = TimeSpan.FromMinutes(1);

    /// <summary>Runs it to its end, with nothing on standard input.</summary>
    public static async Task<(int ExitCode, string Out, string Error)> RunAsync(IReadOnlyDictionary<string, string> variables, params string[] words)
    {
        // The executable is referenced by this project, so it lies beside it.
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "sheaf.dll"), .. words])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in variables)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        using var deadline = new CancellationTokenSource(MostTime);
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"sheaf {string.Join(' ', words)} has not ended after {MostTime}.");
        }
        return (process.ExitCode, await output, await error);
    }
}
