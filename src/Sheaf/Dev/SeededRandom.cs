namespace Sheaf.Dev;

/// <summary>
/// SplitMix64: the same numbers for the same seed on every machine and version, which <see cref="Random"/> does not promise. A mutable
/// struct: pass it by reference.
/// </summary>
public struct SeededRandom(ulong seed)
{
    private ulong _state = seed;

    public ulong Next() => Mix(_state += 0x9E3779B97F4A7C15);

    /// <summary>A number from 0 to <paramref name="exclusive"/> - 1.</summary>
    public int Next(int exclusive) => (int)Math.BigMul(Next(), (ulong)exclusive, out _);

    /// <summary>A number in [0, 1).</summary>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>True with this probability.</summary>
    public bool Chance(double probability) => NextDouble() < probability;

    /// <summary>Exponentially distributed with this mean.</summary>
    public double Exponential(double mean) => -Math.Log(1 - NextDouble()) * mean;

    /// <summary>A whole number of at least 1 with this mean (at least 1), geometrically distributed.</summary>
    public int Geometric(double mean) =>
        mean <= 1 ? 1 : 1 + (int)Math.Min(int.MaxValue - 1, Math.Log(1 - NextDouble()) / Math.Log(1 - 1 / mean));

    /// <summary>Spreads the bits of a number over all 64; never the same result for two numbers.</summary>
    public static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
