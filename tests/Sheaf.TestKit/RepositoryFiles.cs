namespace Sheaf.TestKit;

/// <summary>
/// Files of the repository that tests and benchmarks read in place: the recorded corpus and the conformance cases.
/// </summary>
public static class RepositoryFiles
{
    private static readonly Lazy<string> LazyRoot = new(FindRoot);

    /// <summary>The folder that holds <c>Sheaf.slnx</c>, searched upwards from the running program.</summary>
    public static string Root => LazyRoot.Value;

    /// <summary>The recorded spans and expected segments; their origin and licences are in its README.</summary>
    public static string Corpus => Path.Combine(Root, "tests", "corpus");

    /// <summary>The conformance cases; <c>SHEAF_CONFORMANCE_DIR</c> names another folder.</summary>
    public static string Conformance =>
        Environment.GetEnvironmentVariable("SHEAF_CONFORMANCE_DIR") is { Length: > 0 } other ? other : Path.Combine(Root, "tests", "conformance");

    /// <summary>Every file of recorded spans (<c>NAME.spans.jsonl</c>), in order of name.</summary>
    public static string[] CorpusSpans() => Files(Corpus, "*.spans.jsonl");

    /// <summary>Every file of conformance cases, in order of name.</summary>
    public static string[] ConformanceCases() => Files(Conformance, "*.json");

    private static string[] Files(string folder, string pattern)
    {
        string[] files = Directory.GetFiles(folder, pattern);
        if (files.Length == 0) throw new FileNotFoundException($"no {pattern} in {folder}");
        Array.Sort(files, StringComparer.Ordinal);
        return files;
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Sheaf.slnx"))) return folder.FullName;
        }
        throw new DirectoryNotFoundException($"no Sheaf.slnx in any folder above {AppContext.BaseDirectory}");
    }
}
