using System.Runtime.InteropServices;

namespace Sheaf.Files;

/// <summary>
/// Writes to standard output and reports every failure. The platform's own console stream takes a closed pipe for success, and its
/// file stream writes at a position of its own, over what others have written to the same file.
/// </summary>
internal static partial class StandardOutput
{
    private const int Descriptor = 1;
    private const short PollOut = 4;
    private const int Interrupted = 4;
    private const int BrokenPipe = 32;
    private const int BadDescriptor = 9;
    private static readonly int TryAgain = OperatingSystem.IsLinux() ? 11 : 35;

    /// <summary>Writes all bytes. May block, as long as the reader does not read.</summary>
    /// <exception cref="IOException">Not all bytes are out.</exception>
    public static void Write(ReadOnlySpan<byte> bytes)
    {
        if (OperatingSystem.IsWindows())
        {
            using Stream stream = Console.OpenStandardOutput();
            stream.Write(bytes);
            return;
        }
        while (!bytes.IsEmpty)
        {
            nint written = WriteSome(Descriptor, in MemoryMarshal.GetReference(bytes), (nuint)bytes.Length);
            if (written >= 0)
            {
                bytes = bytes[(int)written..];
                continue;
            }
            int error = Marshal.GetLastPInvokeError();
            if (error == Interrupted) continue;
            if (error != TryAgain) throw new IOException(Marshal.GetPInvokeErrorMessage(error), error);
            var wanted = new PollRequest { Descriptor = Descriptor, Events = PollOut };
            _ = Poll(ref wanted, 1, -1); // whatever it says, the next write tells
        }
    }

    /// <summary>Whether a write failed for good: the reader of the pipe has closed it, or there is no standard output.</summary>
    public static bool CannotMend(IOException failure)
    {
        const int WindowsBrokenPipe = unchecked((int)0x8007006D), WindowsNoData = unchecked((int)0x800700E8);
        return failure.HResult is BrokenPipe or BadDescriptor or WindowsBrokenPipe or WindowsNoData;
    }

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteSome(int descriptor, in byte bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollRequest requests, nuint count, int timeoutMs);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollRequest
    {
        public int Descriptor;
        public short Events;
        public short ReturnedEvents;
    }
}
