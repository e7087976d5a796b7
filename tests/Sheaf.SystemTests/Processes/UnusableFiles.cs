using System.Runtime.Versioning;
using System.Text;

namespace Sheaf.SystemTests.Processes;

/// <summary>Files that cannot be opened are told before anything is read.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class UnusableFiles : ProcessTest
{
    [Fact]
    public async Task An_input_that_is_not_there_is_a_fault_of_the_configuration()
    {
        await RefusedAsync(["--input", "missing.jsonl", "--output", "out.jsonl"], "--input", "missing.jsonl");
    }

    [Fact]
    public async Task The_input_cannot_be_the_output()
    {
        Write("spans", "x");
        await RefusedAsync(["--input", "spans", "--output", "./spans", "--overwrite"], "--output", "--input");
        Assert.Equal("x", await File.ReadAllTextAsync(PathOf("spans")));
    }

    [Fact]
    public async Task An_output_with_content_is_kept_unless_it_may_be_overwritten()
    {
        Write("out.jsonl", "precious");
        await RefusedAsync(["--input", Sample, "--output", "out.jsonl"], "out.jsonl", "--overwrite");
        Assert.Equal("precious", await File.ReadAllTextAsync(PathOf("out.jsonl")));
    }

    [Fact]
    public async Task An_output_or_dead_letters_that_no_file_can_be_are_refused()
    {
        Directory.CreateDirectory(PathOf("folder"));
        await RefusedAsync(["--input", Sample, "--output", "folder", "--dead-letter", "file:folder"], "--output: 'folder' is a directory", "--dead-letter: 'folder' is a directory");
        await RefusedAsync(["--input", Sample, "--output", "no/out", "--dead-letter", "file:not/dead"], "--output: there is no directory", "--dead-letter: there is no directory");
    }

    [Fact]
    public async Task What_may_not_be_read_or_written_is_refused()
    {
        Write("secret", "x");
        File.SetUnixFileMode(PathOf("secret"), UnixFileMode.None);
        Write("locked", "");
        File.SetUnixFileMode(PathOf("locked"), UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        DirectoryInfo closed = Directory.CreateDirectory(PathOf("closed"));
        closed.UnixFileMode = UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        Write("spans", await File.ReadAllBytesAsync(Sample));

        (string[] Words, int ExitCode, string[] Told)[] cases =
        [
            (["--input", "secret", "--output", "/dev/null", "--dead-letter", "stop"], 2, ["--input: 'secret' cannot be read: Permission denied"]),
            (["--input", "spans", "--output", "locked", "--dead-letter", "stop"], 2, ["--output: 'locked' cannot be written: Permission denied"]),
            (["--input", "spans", "--output", "closed/out", "--dead-letter", "stop"], 2, ["--output: 'closed/out' cannot be created in"]),
            (["--input", "spans", "--output", "/dev/null", "--dead-letter", "file:locked"], 2, ["--dead-letter", "'locked' cannot be written: Permission denied"]),
            (["--input", "spans", "--output", "/dev/null", "--dead-letter", "file:closed/dead"], 2, ["--dead-letter", "'closed/dead' cannot be created", "Permission denied"]),
        ];
        foreach ((string[] words, int exitCode, string[] told) in cases)
        {
            Ended run = await RunWithoutPrivilegesAsync(["process-spans", .. words]);
            Assert.True(exitCode == run.ExitCode, $"exit code {run.ExitCode}\n{run.Error}");
            foreach (string part in told) Assert.Contains(part, run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task No_two_of_input_output_and_dead_letters_can_be_one_file_by_any_name()
    {
        string content = Encoding.UTF8.GetString(await File.ReadAllBytesAsync(Sample));
        Directory.CreateDirectory(PathOf("folder"));
        Write("folder/spans", content);
        File.CreateSymbolicLink(PathOf("linked"), PathOf("folder"));
        File.CreateSymbolicLink(PathOf("link"), PathOf("linked/spans"));
        File.CreateSymbolicLink(PathOf("to-missing"), PathOf("linked/missing"));
        await ShellAsync("ln folder/spans hard");
        string[] names = ["linked/spans", "link", "hard"];
        foreach (string name in names)
        {
            await RefusedAsync(["--input", "folder/spans", "--output", name, "--overwrite"], $"--output: '{name}' is the file of --input too");
            await RefusedAsync(["--input", "folder/spans", "--output", "out", "--dead-letter", $"file:{name}"], $"is the file of --input too");
            await RefusedAsync(["--input", Sample, "--output", "folder/spans", "--overwrite", "--dead-letter", $"file:{name}"], $"is the file of --output too");
        }
        // Files that are not there yet.
        foreach (string name in (string[])["linked/missing", "to-missing"])
            await RefusedAsync(["--input", Sample, "--output", "folder/missing", "--dead-letter", $"file:{name}"], $"is the file of --output too");
        Assert.Equal(content, await File.ReadAllTextAsync(PathOf("folder/spans")));
        Assert.False(File.Exists(PathOf("folder/missing")));
    }

    [Fact]
    public async Task A_standard_stream_that_is_one_of_the_files_is_told()
    {
        byte[] content = await File.ReadAllBytesAsync(Sample);
        (string Words, string Redirection, string Told)[] cases =
        [
            ("--input - --output spans --overwrite", "<spans", "--output: 'spans' is the file of --input too"),
            ("--input /dev/stdin --output spans --overwrite", "<spans", "--output: 'spans' is the file of --input too"),
            ("--input spans --output -", ">>spans", "--output: '-' is the file of --input too"),
            ("--input spans --output /dev/stdout --resume --buffer redis://localhost:1", ">>spans", "--output: '/dev/stdout' is the file of --input too"),
            ("--input spans --output - --dead-letter file:out", ">out", "is the file of --output too"),
        ];
        foreach ((string words, string redirection, string told) in cases)
        {
            Write("spans", content);
            Ended run = await ShellAsync($"\"$@\" process-spans {words} {redirection}", "dotnet", SheafProcess.Executable);
            Assert.Equal(2, run.ExitCode);
            Assert.Contains(told, run.Error, StringComparison.Ordinal);
            Assert.Equal(content, await File.ReadAllBytesAsync(PathOf("spans")));
        }
        Ended mixed = await ShellAsync("\"$@\" process-spans --input spans --output out --overwrite 2>>out", "dotnet", SheafProcess.Executable);
        Assert.Equal(2, mixed.ExitCode);
        Assert.Contains("'out' is the file that standard error goes to", await File.ReadAllTextAsync(PathOf("out")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Devices_may_serve_several()
    {
        Ended run = await RunAsync("--input", "/dev/null", "--output", "/dev/null", "--dead-letter", "file:/dev/null");
        run.AssertEnded(0);
    }

    private async Task RefusedAsync(string[] words, params string[] told)
    {
        Ended run = await RunAsync(words);
        Assert.Equal(2, run.ExitCode);
        foreach (string part in told) Assert.Contains(part, run.Error, StringComparison.Ordinal);
        Assert.Contains("nothing was started", run.Error, StringComparison.Ordinal);
    }

    /// <summary>Who may do everything cannot be refused: as root, a copy that everybody may read is run as nobody.</summary>
    private async Task<Ended> RunWithoutPrivilegesAsync(string[] words)
    {
        if (!Environment.IsPrivilegedProcess) return await SheafAsync(words);
        if (!Directory.Exists(PathOf("sheaf")))
        {
            const UnixFileMode everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
                | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
            File.SetUnixFileMode(Folder, everybody);
            Directory.CreateDirectory(PathOf("sheaf"), everybody);
            foreach (string file in Directory.GetFiles(AppContext.BaseDirectory))
            {
                File.Copy(file, Path.Combine(PathOf("sheaf"), Path.GetFileName(file)));
                File.SetUnixFileMode(Path.Combine(PathOf("sheaf"), Path.GetFileName(file)), everybody);
            }
        }
        await using SheafProcess sheaf = SheafProcess.StartProgram(
            Folder, new Dictionary<string, string> { ["HOME"] = Folder }, "setpriv", ["--reuid", "65534", "--regid", "65534", "--clear-groups", "dotnet", Path.Combine(PathOf("sheaf"), "sheaf.dll"), .. words]);
        sheaf.In.Close();
        return await sheaf.EndAsync();
    }
}
