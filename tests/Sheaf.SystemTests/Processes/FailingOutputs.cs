using System.Diagnostics;

namespace Sheaf.SystemTests.Processes;

/// <summary>An output that takes no more: the run ends, says why, and leaves whole lines.</summary>
public sealed class FailingOutputs : ProcessTest
{
    [Fact]
    public async Task A_device_without_room_fails_the_run()
    {
        Ended run = await RunAsync("--input", Sample, "--output", "/dev/full");
        run.AssertEnded(1);
        Assert.Equal(0, run.Count("produced"));
        Assert.Equal(219, run.Count("buffered"));
        string reason = run.Summary.GetProperty("reason").GetString()!;
        Assert.Contains("/dev/full", reason, StringComparison.Ordinal);
        Assert.Contains("No space left on device", reason, StringComparison.Ordinal);
        Assert.DoesNotContain("   at Sheaf", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reader_that_has_gone_fails_the_run_at_once()
    {
        await using SheafProcess sheaf = StartRun("--input", "-", "--output", "-");
        sheaf.CloseOutput();
        await sheaf.In.WriteAsync(await File.ReadAllBytesAsync(Sample));
        sheaf.In.Close();
        Ended run = await sheaf.EndAsync();
        run.AssertEnded(1);
        string reason = run.Summary.GetProperty("reason").GetString()!;
        Assert.Contains("standard output", reason, StringComparison.Ordinal);
        Assert.Contains("Broken pipe", reason, StringComparison.Ordinal);
        Assert.Empty(Logged.Lines(run.Error, Telemetry.EventIds.WorkerRestarted));
    }
}

/// <summary>A disk that becomes full.</summary>
public sealed class FullDisk : ProcessTest
{
    [MountFact]
    public async Task What_is_in_the_file_is_whole_and_the_rest_is_still_buffered()
    {
        Directory.CreateDirectory(PathOf("disk"));
        await using SheafProcess sheaf = SheafProcess.StartProgram(
            Folder, new Dictionary<string, string>(), "unshare",
            [
                "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs -o size=100k tmpfs disk && { \"$@\"; code=$?; cp disk/out.jsonl kept.jsonl; exit $code; }", "sh",
                "dotnet", SheafProcess.Executable, "process-spans", "--summary", "json", "--input", Sample, "--output", "disk/out.jsonl", "--max-flush-segments", "2",
            ]);
        sheaf.In.Close();
        Ended run = await sheaf.EndAsync();
        run.AssertEnded(1);
        Assert.Contains("disk/out.jsonl", run.Error, StringComparison.Ordinal);
        Assert.Contains("No space left on device", run.Error, StringComparison.Ordinal);
        Assert.InRange(run.Count("produced"), 1, 218);
        Assert.Equal(219, run.Count("produced") + run.Count("buffered"));
        AssertWholeLines(PathOf("kept.jsonl"));
        Assert.InRange(new FileInfo(PathOf("kept.jsonl")).Length, 1, 100 * 1024);
    }
}

/// <summary>Needs a mount of its own; where the system does not allow that, the test is skipped.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MountFactAttribute : FactAttribute
{
    public MountFactAttribute()
    {
        if (!MayMount()) Skip = "a file system of a fixed size cannot be mounted here (unshare --map-root-user --mount)";
    }

    private static bool MayMount()
    {
        try
        {
            using Process? trial = Process.Start(new ProcessStartInfo("unshare", ["--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]) { RedirectStandardError = true });
            trial!.WaitForExit();
            return trial.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
