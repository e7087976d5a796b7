using System.Globalization;
using System.Numerics;

namespace Sheaf.Configuration;

/// <summary>Digits only: no sign, no space, no exponent.</summary>
internal sealed class IntegerKind<T>(T lowest, T highest) : OptionKind<T>
    where T : struct, IBinaryInteger<T>
{
    public override string Placeholder => "N";

    public override string Range => string.Create(CultureInfo.InvariantCulture, $"an integer from {lowest} to {highest}");

    public override bool TryParse(string text, out T value) =>
        T.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= lowest && value <= highest;

    public override string Format(T value) => value.ToString(null, CultureInfo.InvariantCulture);
}

/// <summary>A share of a whole.</summary>
internal sealed class RatioKind : OptionKind<decimal>
{
    public override string Placeholder => "RATIO";

    public override string Range => "a number from 0 to 1";

    public override bool TryParse(string text, out decimal value) =>
        decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value) && value is >= 0 and <= 1;

    public override string Format(decimal value) => value.ToString("0.############################", CultureInfo.InvariantCulture);
}
