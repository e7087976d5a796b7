using System.Globalization;
using System.Text;
using Sheaf.Commands;

namespace Sheaf.Configuration;

/// <summary>The text of docs/configuration.md.</summary>
internal static class ConfigurationPage
{
    public static string Write()
    {
        var page = new StringBuilder("""
            # Configuration

            <!-- Written by `sheaf config docs` from src/Sheaf/Configuration/OptionTable.cs. Change it there, then:
                 dotnet run --project src/Sheaf -- config docs > docs/configuration.md -->

            Every option of `sheaf process-spans` can be given

            1. on the command line: `--max-flush-segments 200`,
            2. as an environment variable: `SHEAF_MAX_FLUSH_SEGMENTS=200`,
            3. in a JSON file named by `--config` or `SHEAF_CONFIG`: `{ "max-flush-segments": 200 }`.

            The first of these that has an option wins, whole: lists are not joined over sources. Relative paths are relative to the
            directory in which Sheaf is started, in the file too.

            | command | use |
            | --- | --- |
            | `sheaf config sample` | prints a file with every option, its range and its default, to start from |
            | `sheaf config check` | is as strict as a start, and changes nothing: tells every fault of the options, the files, the topics and the server, and what is sound. What does not answer within 5 s is said to be not checked |
            | `sheaf config show` | prints the value that each option has, and where it is from |

            ## How values are written

            - **Times** are seconds (`60`, `2.5`) or have a unit: `500ms`, `30s`, `10m`, `1h`, `30d`. The smallest step is a millisecond.
            - **Sizes** are bytes (`1048576`) or have a unit: `KiB`, `MiB`, `GiB` (powers of 1024), `KB`, `MB`, `GB` (powers of 1000).
            - **Lists** are separated by commas, or the option is repeated; in the file they are arrays. The empty text is the empty list.
            - **Switches** stand alone on the command line (`--overwrite`); elsewhere they are `true` or `false`.
            - The file may have comments (`//`, `/* */`) and trailing commas. Its values may be JSON numbers, texts or `true`/`false`.

            ## What happens to a fault

            Nothing starts. All faults of all sources are told at once, each with the option, the value, what is allowed, and the source
            (for the file with the line), and the exit code is 2. An unknown option, key or `SHEAF_…` variable is a fault too; the nearest
            known name is suggested. An empty variable counts as not set. Variables that Kubernetes makes for a service called
            `sheaf` (`SHEAF_SERVICE_HOST`, `SHEAF_PORT_…`) are passed over.

            ## Changes during a run

            The file's content is compared every second. What can change during a run (see the table) takes effect as a whole with the
            next batch, and is logged. A file with a fault changes nothing: every fault is logged, the old values stay. A change of any other option
            is logged as needing a restart. What the command line or the environment has is not changed by the file.

            ## All options

            | option | default | can change during a run |
            | --- | --- | --- |

            """);
        foreach (OptionSpec option in OptionTable.All)
            page.Append(CultureInfo.InvariantCulture, $"| [`{option.Name}`](#{option.Name}) | {option.DefaultText} | {(option.Reloadable ? "yes" : "no")} |\n");
        foreach (IGrouping<OptionGroup, OptionSpec> group in OptionTable.All.GroupBy(o => o.Group))
        {
            page.Append(CultureInfo.InvariantCulture, $"\n## {OptionTable.Heading(group.Key)}\n");
            foreach (OptionSpec option in group)
                AppendOption(page, option);
        }
        page.Append("\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n");
        foreach ((int code, string meaning) in ExitCode.All)
            page.Append(CultureInfo.InvariantCulture, $"| {code} | {meaning} |\n");
        return page.ToString();
    }

    private static void AppendOption(StringBuilder page, OptionSpec option)
    {
        page.Append(CultureInfo.InvariantCulture, $"\n### {option.Name}\n\n{option.Summary} {option.Details}\n\n");
        page.Append(CultureInfo.InvariantCulture, $"- Value: {option.Range}{(option.Required ? "; required" : "")}\n");
        page.Append(CultureInfo.InvariantCulture, $"- Default: {option.DefaultText}\n");
        string others = string.Concat(option.OtherNames.Select(name => $", `{name}`")) + (option.Contrary is { } contrary ? $", `{contrary}` (off)" : "");
        page.Append(CultureInfo.InvariantCulture, $"- Names: `{option.CommandLineName}`{others}, `{option.VariableName}`{(option.InFile ? $", `\"{option.Name}\"`" : "; not in the file")}\n");
        if (option.Reloadable) page.Append("- Can change during a run.\n");
    }
}
