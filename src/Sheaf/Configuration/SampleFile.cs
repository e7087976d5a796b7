using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Sheaf.Configuration;

/// <summary>A configuration file to start from: every option with its default, commented out.</summary>
internal static class SampleFile
{
    public static string Write()
    {
        var text = new StringBuilder();
        text.Append("// Options of sheaf process-spans. Remove the slashes before what you want to change; docs/configuration.md explains each.\n{\n");
        foreach (IGrouping<OptionGroup, OptionSpec> group in OptionTable.All.Where(o => o.InFile).GroupBy(o => o.Group))
        {
            text.Append(CultureInfo.InvariantCulture, $"  // ---- {OptionTable.Heading(group.Key)} ----\n\n");
            foreach (OptionSpec option in group)
            {
                text.Append(CultureInfo.InvariantCulture, $"  // {option.Summary}\n");
                text.Append(CultureInfo.InvariantCulture, $"  // {option.Range}; default: {option.DefaultText}{(option.Reloadable ? "; can change during a run" : "")}\n");
                text.Append(CultureInfo.InvariantCulture, $"  //\"{option.Name}\": {Value(option)},\n\n");
            }
        }
        return text.Append("}\n").ToString();
    }

    private static string Value(OptionSpec option)
    {
        string value = option.Example ?? option.DefaultText;
        if (option.IsList) return "[]";
        bool bare = option.IsFlag || decimal.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out _);
        return bare ? value : $"\"{JsonEncodedText.Encode(value)}\"";
    }
}
