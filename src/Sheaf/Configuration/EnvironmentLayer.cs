using System.Collections;
using System.Text.RegularExpressions;
using Sheaf.Kafka;

namespace Sheaf.Configuration;

/// <summary>The <c>SHEAF_…</c> variables.</summary>
internal static partial class EnvironmentLayer
{
    public const string Prefix = "SHEAF_";

    /// <summary>Variables of Sheaf that are no options.</summary>
    private static readonly string[] NoOptions =
    [
        "SHEAF_CONFORMANCE_DIR", "SHEAF_FAULT_POINTS", "SHEAF_FUZZ_CASES", "SHEAF_KILLS", KafkaLibrary.PathVariable, "SHEAF_SEED", "SHEAF_TEST_KAFKA", "SHEAF_TEST_KAFKA_DIR",
    ];

    /// <summary>The variables of this process that are for Sheaf.</summary>
    public static IReadOnlyDictionary<string, string> OfThisProcess()
    {
        var variables = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in Environment.GetEnvironmentVariables())
        {
            if (entry is { Key: string name, Value: string value } && name.StartsWith(Prefix, StringComparison.Ordinal)) variables[name] = value;
        }
        return variables;
    }

    /// <summary>An empty variable counts as not set, since that is what an unset one becomes in a compose file.</summary>
    public static ConfigurationLayer Read(IReadOnlyDictionary<string, string> variables)
    {
        var values = new List<GivenValue>();
        var faults = new List<ConfigurationFault>();
        foreach ((string name, string text) in variables)
        {
            if (text.Length == 0 || NoOptions.Contains(name) || ServiceLink().IsMatch(name)) continue;
            OptionSpec? option = OptionTable.All.FirstOrDefault(o => o.VariableName == name);
            if (option is null)
                faults.Add(new ConfigurationFault(name, "there is no such variable" + NearestName.Hint(name, OptionTable.All.Select(o => o.VariableName)), new OptionSource("environment")));
            else
                values.Add(new GivenValue(option, text, OptionSource.Variable(name)));
        }
        return new ConfigurationLayer(values, faults);
    }

    // Kubernetes gives every container variables about the services beside it: a service called "sheaf" yields SHEAF_SERVICE_HOST,
    // SHEAF_PORT_9090_TCP_ADDR and more, and nobody can mend that.
    [GeneratedRegex(@"^SHEAF_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$")]
    private static partial Regex ServiceLink();
}
