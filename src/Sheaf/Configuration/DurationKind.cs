namespace Sheaf.Configuration;

/// <summary>A time: seconds, or with a unit. Whole milliseconds.</summary>
/// <param name="zeroIsOff">0 is allowed too, and switches the limit off.</param>
internal sealed class DurationKind(TimeSpan lowest, TimeSpan highest, bool zeroIsOff = false) : OptionKind<TimeSpan>
{
    private static readonly UnitTable Units = new(1000, ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1));

    public override string Placeholder => "TIME";

    public override string Range => $"{(zeroIsOff ? "0 (off) or " : "")}a time from {Format(lowest)} to {Format(highest)} (seconds, or a number with ms, s, m, h or d)";

    public override bool TryParse(string text, out TimeSpan value)
    {
        value = default;
        if (!Units.TryParse(text, out long ms)) return false;
        if (!(zeroIsOff && ms == 0) && (ms < (long)lowest.TotalMilliseconds || ms > (long)highest.TotalMilliseconds)) return false;
        value = TimeSpan.FromMilliseconds(ms);
        return true;
    }

    public override string Format(TimeSpan value) => Units.Format((long)value.TotalMilliseconds);
}
