namespace Sheaf.Configuration;

/// <summary>A number of bytes, plain or with a unit.</summary>
internal sealed class SizeKind(long lowest, long highest) : OptionKind<long>
{
    /// <summary>KiB is 1024 bytes, KB is 1000. A bare K, M or G is refused: people mean either.</summary>
    internal static readonly UnitTable Units = new(1,
        ("TiB", 1L << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000), ("B", 1));

    public override string Placeholder => "SIZE";

    public override string Range => $"a size from {Format(lowest)} to {Format(highest)} (bytes, or a number with KiB, MiB, GiB, KB, MB or GB)";

    public override bool TryParse(string text, out long value) => Units.TryParse(text, out value) && value >= lowest && value <= highest;

    public override string Format(long value) => Units.Format(value);
}
