using System.Runtime.InteropServices;

namespace Sheaf;

/// <summary>
/// Standard input, output and error as this process was given them. Where one was closed, its number goes to whatever is opened first: the runtime's own
/// pipes, later a socket or the output. Nothing may be read from there or written to it.
/// </summary>
/// <remarks>What was handed over at the start has no close-on-exec mark, or it would not be here. What the runtime opens has one.</remarks>
internal static partial class StandardStreams
{
    public const int Input = 0;
    public const int Output = 1;
    public const int Error = 2;

    private static readonly bool[] s_given = [IsGiven(Input), IsGiven(Output), IsGiven(Error)];

    public static bool HasInput => s_given[Input];

    public static bool HasOutput => s_given[Output];

    public static bool HasError => s_given[Error];

    /// <summary>Sees what was given, and puts nothing in the places that are free, so that no file of the run gets there. Before anything is opened.</summary>
    public static void Settle()
    {
        const int ReadAndWrite = 2;
        if (OperatingSystem.IsWindows() || Array.TrueForAll(s_given, given => given)) return;
        while (Open("/dev/null", ReadAndWrite) is >= Input and <= Error)
        {
        }
    }

    private static bool IsGiven(int descriptor)
    {
        const int GetMarks = 1, CloseOnExec = 1, GetMode = 3, Access = 3, ReadOnly = 0, WriteOnly = 1;
        if (OperatingSystem.IsWindows()) return true;
        if (Control(descriptor, GetMarks) is not (>= 0 and var marks) || (marks & CloseOnExec) != 0) return false;
        // A shell may leave the script there that has started this.
        return (Control(descriptor, GetMode) & Access) != (descriptor == Input ? WriteOnly : ReadOnly);
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
