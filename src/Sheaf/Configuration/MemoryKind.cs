using System.Globalization;

namespace Sheaf.Configuration;

/// <summary>An amount of memory: bytes, or a share of what the machine or container has.</summary>
/// <param name="Bytes">Set, or <paramref name="Percent"/> is.</param>
/// <param name="Percent">1 to 100.</param>
internal readonly record struct MemoryAmount(long? Bytes, decimal? Percent)
{
    /// <summary>The amount in bytes; a share is never less than <see cref="MemoryKind.Lowest"/>.</summary>
    public long On(Machine machine) => Bytes ?? Math.Max(MemoryKind.Lowest, (long)(machine.MemoryBytes * Percent!.Value / 100));
}

/// <summary>Bytes or a percentage.</summary>
internal sealed class MemoryKind : OptionKind<MemoryAmount>
{
    public const long Lowest = 1 << 20;
    private const long Highest = 16L << 40;

    public override string Placeholder => "SIZE|PERCENT%";

    public override string Range => $"a size from {SizeKind.Units.Format(Lowest)} to {SizeKind.Units.Format(Highest)}, or 1% to 100% of the memory";

    public override bool TryParse(string text, out MemoryAmount value)
    {
        value = default;
        if (text.EndsWith('%'))
        {
            if (!decimal.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal percent)) return false;
            value = new MemoryAmount(null, percent);
            return percent is >= 1 and <= 100;
        }
        if (!SizeKind.Units.TryParse(text, out long bytes)) return false;
        value = new MemoryAmount(bytes, null);
        return bytes is >= Lowest and <= Highest;
    }

    public override string Format(MemoryAmount value) => value.Bytes is { } bytes
        ? SizeKind.Units.Format(bytes)
        : value.Percent!.Value.ToString("0.####", CultureInfo.InvariantCulture) + "%";
}
