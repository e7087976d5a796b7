using System.Globalization;

namespace Sheaf.Commands;

/// <summary>Numbers for people who have little room: <c>999</c>, <c>182k</c>, <c>1.1M</c>.</summary>
internal static class CountText
{
    private static readonly string[] Units = ["k", "M", "G", "T", "P", "E"];

    public static string Of(double count)
    {
        if (count < 999.5) return string.Create(CultureInfo.InvariantCulture, $"{count:F0}");
        int unit = 0;
        double value = count / 1000;
        while (value >= 999.5 && unit < Units.Length - 1)
        {
            value /= 1000;
            unit++;
        }
        return string.Create(CultureInfo.InvariantCulture, $"{value.ToString(value < 9.95 ? "F1" : "F0", CultureInfo.InvariantCulture)}{Units[unit]}");
    }
}
