using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Sheaf.Buffering.Memory;

/// <summary>
/// Asks the processor to bring memory closer that is needed soon. What a span touches lies all over a few hundred megabytes, so that without it most
/// of the engine's time is waiting, one miss after the other. A hint: it changes no result, and does nothing where there is no such instruction.
/// </summary>
internal static class Prefetch
{
    private const int LineBytes = 64;

    /// <summary>The cache lines of one element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Element<T>(ref readonly T element) where T : unmanaged
    {
        if (!Sse.IsSupported) return;
        byte* first = (byte*)Unsafe.AsPointer(ref Unsafe.AsRef(in element)); // it may be moved meanwhile: then the hint is a wrong one
        Sse.Prefetch0(first);
        if (Unsafe.SizeOf<T>() > sizeof(long)) Sse.Prefetch0(first + Unsafe.SizeOf<T>() - 1);
    }

    /// <summary>The cache lines of some bytes, but for the far end of long ones: there the processor has noticed by itself.</summary>
    public static unsafe void Bytes(ReadOnlySpan<byte> bytes)
    {
        if (!Sse.IsSupported || bytes.IsEmpty) return;
        byte* first = (byte*)Unsafe.AsPointer(ref Unsafe.AsRef(in bytes[0]));
        int length = Math.Min(bytes.Length, 2048);
        for (int at = 0; at < length; at += LineBytes) Sse.Prefetch0(first + at);
    }
}
