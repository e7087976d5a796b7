using System.Globalization;
using System.Numerics;

namespace Sheaf.Configuration;

/// <summary>Digits only: no space, no exponent, and a sign only where the range has negative numbers.</summary>
internal sealed class IntegerKind<T>(T lowest, T highest) : OptionKind<T>
    where T : struct, IBinaryInteger<T>
{
    public override string Placeholder => "N";

    public override string Range => string.Create(CultureInfo.InvariantCulture, $"an integer from {lowest} to {highest}");

    public override bool TryParse(string text, out T value) =>
        T.TryParse(text, T.IsNegative(lowest) ? NumberStyles.AllowLeadingSign : NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= lowest && value <= highest;

    public override string Format(T value) => value.ToString(null, CultureInfo.InvariantCulture);
}

/// <summary>A share of a whole.</summary>
/// <param name="lowest">0 or greater.</param>
internal sealed class RatioKind(decimal lowest = 0) : OptionKind<decimal>
{
    public override string Placeholder => "RATIO";

    public override string Range => string.Create(CultureInfo.InvariantCulture, $"a number from {lowest} to 1");

    public override bool TryParse(string text, out decimal value) =>
        decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value) && value >= lowest && value <= 1;

    public override string Format(decimal value) => value.ToString("0.############################", CultureInfo.InvariantCulture);
}
