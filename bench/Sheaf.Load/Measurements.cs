using System.Globalization;

namespace Sheaf.Load;

/// <summary>Figures by name, a figure per round; printed as medians with their range. Names keep the order in which they came.</summary>
internal sealed class Measurements
{
    private readonly List<string> _names = [];
    private readonly Dictionary<string, List<double>> _rounds = [];

    public void Add(string name, double value)
    {
        if (!_rounds.TryGetValue(name, out List<double>? values))
        {
            _rounds.Add(name, values = []);
            _names.Add(name);
        }
        values.Add(value);
    }

    public double Median(string name)
    {
        List<double> sorted = [.. _rounds[name].Order()];
        int middle = sorted.Count / 2;
        return sorted.Count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /// <summary>Median over rounds of one figure over another of the same round: what both had to bear alike drops out.</summary>
    public double MedianRatio(string name, string over)
    {
        var ratios = new Measurements();
        foreach ((double value, double floor) in _rounds[name].Zip(_rounds[over])) ratios.Add("", value / floor);
        return ratios.Median("");
    }

    public void Print(string floor)
    {
        Line($"{"",-34} {"median s",9} {"lowest",9} {"highest",9} {"x " + floor,9}");
        foreach (string name in _names)
            Line($"{name,-34} {Median(name),9:F3} {_rounds[name].Min(),9:F3} {_rounds[name].Max(),9:F3} {MedianRatio(name, floor),9:F2}");
    }

    public static void Line(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
