using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Sheaf.TestKit;

namespace Sheaf.SystemTests.Processes;

/// <summary>The built <c>sheaf</c>, run as its users run it. Whoever starts one disposes it, and that ends it.</summary>
internal sealed class SheafProcess : IAsyncDisposable
{
    public const int Interrupt = 2; // SIGINT
    public const int Terminate = 15; // SIGTERM
    public const int HangUp = 1; // SIGHUP
    public const int Continue = 18; // SIGCONT

    private readonly Process _process;
    private readonly string _words;
    private readonly StringBuilder _error = new();
    private readonly Task _readingError;
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task<byte[]>? _output;

    private SheafProcess(Process process, string words)
    {
        _process = process;
        _words = words;
        _readingError = ReadErrorAsync();
    }

    /// <summary>The executable is referenced by this project, so it lies beside it.</summary>
    public static string Executable { get; } = Path.Combine(AppContext.BaseDirectory, "sheaf.dll");

    /// <summary>Its standard input.</summary>
    public Stream In => _process.StandardInput.BaseStream;

    /// <summary>What it has written to standard error until now.</summary>
    public string Error
    {
        get
        {
            lock (_error) return _error.ToString();
        }
    }

    /// <summary>Runs it to its end, with nothing on standard input.</summary>
    public static async Task<(int ExitCode, string Out, string Error)> RunAsync(IReadOnlyDictionary<string, string> variables, params string[] words)
    {
        await using SheafProcess sheaf = Start(Environment.CurrentDirectory, variables, words);
        sheaf.In.Close();
        Ended ended = await sheaf.EndAsync();
        return (ended.ExitCode, ended.Out, ended.Error);
    }

    /// <summary>Starts it; its standard input stays open.</summary>
    public static SheafProcess Start(string folder, IReadOnlyDictionary<string, string> variables, params string[] words) =>
        StartProgram(folder, variables, "dotnet", [Executable, .. words]);

    /// <summary>Starts it as the leader of a session, and so of a process group whose number is its id; its workers are in it.</summary>
    public static SheafProcess StartGroup(string folder, IReadOnlyDictionary<string, string> variables, params string[] words) =>
        StartProgram(folder, variables, "setsid", ["dotnet", Executable, .. words]);

    /// <summary>Starts a program that runs it.</summary>
    public static SheafProcess StartProgram(string folder, IReadOnlyDictionary<string, string> variables, string program, params string[] words)
    {
        var start = new ProcessStartInfo(program, words)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // What tells the tests where their servers are is no option of the program's, and it would say so.
        foreach (string name in start.Environment.Keys.Where(name => name.StartsWith("SHEAF_TEST_", StringComparison.Ordinal)).ToArray()) start.Environment.Remove(name);
        start.Environment["DOTNET_TC_QuickJit"] = "1"; // most live for seconds: half of their work would be the compiler's
        foreach ((string name, string value) in variables) start.Environment[name] = value;
        return new SheafProcess(Process.Start(start)!, $"{program} {string.Join(' ', words)}");
    }

    public int Id => _process.Id;

    /// <summary>The next line of standard output, instead of <see cref="BeginOutput"/>.</summary>
    public async Task<string> ReadLineAsync()
    {
        Task<string?> line = _process.StandardOutput.ReadLineAsync();
        await WithinPatienceAsync(line);
        return await line ?? "";
    }

    /// <summary>Reads standard output from now on; <see cref="EndAsync"/> does it too.</summary>
    public void BeginOutput() => _output ??= ReadOutputAsync();

    /// <summary>Nobody reads its standard output any more.</summary>
    public void CloseOutput()
    {
        _process.StandardOutput.BaseStream.Dispose();
        _output = Task.FromResult<byte[]>([]);
    }

    public async Task SignalAsync(int signal)
    {
        using Process kill = Process.Start("kill", [$"-{signal.ToString(CultureInfo.InvariantCulture)}", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        await WithinPatienceAsync(kill.WaitForExitAsync());
    }

    /// <summary>Waits until this is in what it has written to standard error.</summary>
    public Task WaitForErrorAsync(Predicate<string> condition) => WithinPatienceAsync(ErrorAsync(condition));

    private async Task ErrorAsync(Predicate<string> condition)
    {
        while (true)
        {
            Task more;
            lock (_error)
            {
                if (condition(_error.ToString())) return;
                more = _more.Task;
            }
            if (_readingError.IsCompleted) throw new InvalidOperationException($"{_words} has ended before what was waited for:\n{Error}");
            await more;
        }
    }

    /// <summary>Waits for its end, which must come by itself.</summary>
    public async Task<Ended> EndAsync()
    {
        BeginOutput();
        await WithinPatienceAsync(_process.WaitForExitAsync());
        await WithinPatienceAsync(_readingError);
        await WithinPatienceAsync(_output!);
        return new Ended(_process.ExitCode, await _output!, Error);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }
        _process.Dispose();
    }

    /// <summary>From now on, however long the process has been running.</summary>
    private async Task WithinPatienceAsync(Task task)
    {
        try
        {
            await task.WaitAsync(Eventually.Patience);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{_words} has not done it within {Eventually.Patience}. Standard error:\n{Error}");
        }
    }

    private async Task<byte[]> ReadOutputAsync()
    {
        using var bytes = new MemoryStream();
        await _process.StandardOutput.BaseStream.CopyToAsync(bytes);
        return bytes.ToArray();
    }

    private async Task ReadErrorAsync()
    {
        char[] room = new char[4096];
        while (await _process.StandardError.ReadAsync(room) is > 0 and var count)
        {
            lock (_error)
            {
                _error.Append(room, 0, count);
                _more.TrySetResult();
                _more = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
        lock (_error) _more.TrySetResult();
    }
}

/// <summary>A process that has ended.</summary>
internal sealed record Ended(int ExitCode, byte[] OutBytes, string Error)
{
    public string Out => Encoding.UTF8.GetString(OutBytes);

    /// <summary>The line that <c>--summary json</c> leaves.</summary>
    public JsonElement Summary => JsonDocument.Parse(Error.TrimEnd().Split('\n')[^1]).RootElement;

    public long Count(string key) => Summary.GetProperty(key).GetInt64();

    /// <summary>It ended like this, with every message accounted for.</summary>
    public void AssertEnded(int exitCode)
    {
        Assert.True(exitCode == ExitCode, $"exit code {ExitCode}\n{Error}");
        Assert.True(Summary.GetProperty("adds_up").GetBoolean(), Error);
        Assert.Equal(exitCode, Count("exit_code"));
    }
}
