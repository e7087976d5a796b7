using System.Globalization;

namespace Sheaf.Configuration;

/// <summary>A number with a unit behind it, as in <c>10MiB</c> or <c>1.5 h</c>: shared by times and sizes.</summary>
/// <param name="units">Name and worth, largest first. The names are told apart without regard to case.</param>
/// <param name="bare">What a number without a unit is worth.</param>
internal sealed class UnitTable(long bare, params (string Name, long Worth)[] units)
{
    /// <summary>Reads a value that is a whole number of the smallest unit; decimals are allowed where they come out even.</summary>
    public bool TryParse(string text, out long value)
    {
        value = 0;
        int end = text.Length;
        while (end > 0 && char.IsAsciiLetter(text[end - 1]))
            end--;
        long worth = bare;
        if (end < text.Length && !TryWorth(text.AsSpan(end), out worth)) return false;
        ReadOnlySpan<char> number = text.AsSpan(0, end);
        if (end < text.Length) number = number.TrimEnd(' ');
        // 18 digits are more than any range has, and keep the product far from decimal's end.
        if (number.Length > 18 || !decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal factor)) return false;
        decimal product = factor * worth;
        if (product > long.MaxValue || product != decimal.Truncate(product)) return false;
        value = (long)product;
        return true;
    }

    /// <summary>In the largest unit that divides it.</summary>
    public string Format(long value)
    {
        foreach ((string name, long worth) in units)
        {
            if (value != 0 && value % worth == 0) return string.Create(CultureInfo.InvariantCulture, $"{value / worth}{name}");
        }
        return value.ToString(CultureInfo.InvariantCulture);
    }

    private bool TryWorth(ReadOnlySpan<char> name, out long worth)
    {
        foreach ((string Name, long Worth) unit in units)
        {
            if (!name.Equals(unit.Name, StringComparison.OrdinalIgnoreCase)) continue;
            worth = unit.Worth;
            return true;
        }
        worth = 0;
        return false;
    }
}
