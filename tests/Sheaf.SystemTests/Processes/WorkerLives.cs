using System.Globalization;
using Sheaf.Supervision;
using Sheaf.TestKit;

namespace Sheaf.SystemTests.Processes;

/// <summary>What <see cref="ProcessHost"/> promises of any process, however it behaves. Programs of the shell behave badly at will.</summary>
public sealed class WorkerLives
{
    [Theory]
    [InlineData("exit 0", 0, null)]
    [InlineData("exit 1", 1, null)]
    [InlineData("exit 3", 3, null)]
    [InlineData("echo why >&2; exit 1", 1, "why")]
    [InlineData("echo why; exit 1", 1, "why")]
    [InlineData("kill -9 $$", 137, "It was ended by signal 9.")]
    [InlineData("kill -TERM $$", 143, "It was ended by signal 15.")]
    public async Task The_exit_code_and_the_last_words_are_told(string script, int code, string? error)
    {
        await using var workers = new HostedWorkers(HostedWorkers.Shell(script));
        Assert.Equal(new WorkerExit(code, error), await workers.RunAsync());
    }

    [Fact]
    public async Task A_program_that_cannot_be_started_has_failed_with_the_reason()
    {
        await using var workers = new HostedWorkers(new WorkerCommandLine("/nowhere/sheaf", []));
        IWorkerHandle life = workers.Start();
        await life.EndAsync();
        WorkerExit exit = await life.WaitForExitAsync();
        Assert.Equal(WorkerExit.Failed, exit.Code);
        Assert.Contains("/nowhere/sheaf flusher-worker cannot be started", exit.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_assignment_comes_on_standard_input_and_no_secret_is_in_the_words_of_the_command()
    {
        await using var workers = new HostedWorkers(HostedWorkers.Shell("read -r line; echo \"got $line\" >&2; tr '\\0' ' ' < /proc/$$/cmdline >&2; exit 1"), "test:s3cret");
        string[] said = (await workers.RunAsync()).Error!.Split('\n');
        Assert.StartsWith("got {\"control_block\":\"/", said[0], StringComparison.Ordinal);
        Assert.Contains("s3cret", said[0], StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", said[1], StringComparison.Ordinal);
        Assert.EndsWith("flusher-worker", said[1].Trim(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("trap '' TERM INT HUP; echo $$ >&2; exec sleep 1000")]
    [InlineData("echo $$ >&2; kill -STOP $$")]
    public async Task Whatever_does_not_react_is_ended_and_reaped(string script)
    {
        await using var workers = new HostedWorkers(HostedWorkers.Shell(script));
        IWorkerHandle life = workers.Start();
        await Eventually.TrueAsync(() => !workers.Log.Events.IsEmpty, "its number");
        int id = int.Parse(workers.Log.Events.First().Text.Split(": ")[1], CultureInfo.InvariantCulture);
        Assert.True(HostedWorkers.Exists(id));
        await life.EndAsync();
        Assert.True(life.WaitForExitAsync().IsCompleted);
        Assert.Equal(137, (await life.WaitForExitAsync()).Code);
        Assert.False(HostedWorkers.Exists(id), "it is a zombie at least");
        await life.EndAsync(); // again is allowed
    }

    [Fact]
    public async Task A_flood_of_words_neither_fills_memory_nor_holds_the_worker()
    {
        await using var workers = new HostedWorkers(HostedWorkers.Shell("echo first >&2; head -c 50000000 /dev/zero >&2; echo >&2; yes no 2>/dev/null | head -n 300000 >&2; echo last >&2; exit 5"));
        WorkerExit exit = await workers.RunAsync();
        Assert.Equal(5, exit.Code);
        Assert.StartsWith("first\n…\nno\n", exit.Error, StringComparison.Ordinal);
        Assert.EndsWith("\nno\nlast", exit.Error, StringComparison.Ordinal);
        Assert.Equal(51, workers.Log.Events.Count);
        Assert.Contains(workers.Log.Events, logged => logged.Text == "Flusher worker 1 (shard 1) left 299953 more such lines");
        Assert.All(workers.Log.Events, logged => Assert.True(logged.Text.Length < 700 && !logged.Text.Contains('\0', StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Somebody_who_has_inherited_its_standard_error_does_not_delay_its_end()
    {
        await using var workers = new HostedWorkers(HostedWorkers.Shell("sleep 90 & echo $! >&2; exit 7"));
        WorkerExit exit = await workers.RunAsync();
        Assert.Equal(7, exit.Code);
        HostedWorkers.Signal(int.Parse(exit.Error!, CultureInfo.InvariantCulture), HostedWorkers.Kill); // it was still there
    }
}
