namespace Sheaf.TestKit;

/// <summary>What code leaves for the garbage collector.</summary>
public static class Garbage
{
    /// <summary>
    /// Bytes that a round allocates on this thread, the least of several. What the runtime itself allocates here at a moment of its own, as when it compiles a loop anew, is in one of
    /// them and not in all.
    /// </summary>
    public static long Of(Action round, int rounds = 5)
    {
        round();
        long least = long.MaxValue;
        for (int i = 0; i < rounds; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            round();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
