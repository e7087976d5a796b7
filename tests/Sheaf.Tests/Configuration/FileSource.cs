using System.Text;
using Sheaf.Configuration;
using Xunit;

namespace Sheaf.Tests.Configuration;

/// <summary>What the configuration file may look like, and what is said when it does not.</summary>
public class FileSource
{
    private static ConfigurationLayer Read(string text) => FileLayer.Read("sheaf.json", Encoding.UTF8.GetBytes(text));

    private static string Fault(string text) => Assert.Single(Read(text).Faults).ToString();

    [Fact]
    public void Comments_trailing_commas_a_byte_order_mark_and_all_kinds_of_values_are_read()
    {
        ConfigurationLayer layer = Read("\uFEFF// one\n{ /* two */ \"shards\": 4,\n\"timeout\": \"5m\",\n\"overwrite\": true,\n\"drop-projects\": [1, \"2\",],\n}\n// three");
        Assert.Empty(layer.Faults);
        Assert.Equal(
            [("shards", "4", 2), ("timeout", "5m", 3), ("overwrite", "true", 4), ("drop-projects", "1,2", 5)],
            layer.Values.Select(v => (v.Option.Name, v.Text, int.Parse(v.Source.Text.Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture))));
    }

    [Theory]
    [InlineData("", "sheaf.json: is empty; a file without options is {} ", "(sheaf.json, line 1)")]
    [InlineData("\uFEFF \r\n", "sheaf.json: is empty; a file without options is {} ", "(sheaf.json, line 1)")]
    [InlineData("{\n\"shards\" 4}", "sheaf.json: is not valid JSON: ", ", line 2)")]
    [InlineData("{ \"shards\": 4 }\n}", "sheaf.json: is not valid JSON: ", ", line 2)")]
    [InlineData("{ \"shards\": 4\n", "sheaf.json: is not valid JSON: ", ")")]
    [InlineData("[]", "sheaf.json: is not a JSON object with options", "(sheaf.json, line 1)")]
    [InlineData("{ \"shards\": null }", "--shards: null is not an integer from 1 to 1024 ", "(sheaf.json, line 1)")]
    [InlineData("{ \"shards\": 1,\n \"shards\": 2 }", "--shards: is given twice, first in line 1 ", "(sheaf.json, line 2)")]
    [InlineData("{ \"Shards\": 1 }", "\"Shards\": there is no such option; did you mean shards? ", "(sheaf.json, line 1)")]
    [InlineData("{ \"shards\": 1,\n\"output\": \"a\\ud800b\" }", "--output: text with half a surrogate pair (\\ud800 to \\udfff alone) is not ", "(sheaf.json, line 2)")]
    [InlineData("{ \"a\\udc00\": [1, {}], \"shards\": 1 }", "sheaf.json: a name of an option is text with half a surrogate pair ", "(sheaf.json, line 1)")]
    [InlineData("{ \"drop-traces\": [\"\\ud800\"] }", "--drop-traces: a list with text with half a surrogate pair ", "(sheaf.json, line 1)")]
    [InlineData("{ \"config\": \"other.json\" }", "\"config\": there is no such option", "(sheaf.json, line 1)")]
    public void A_fault_has_its_line(string text, string start, string end)
    {
        string fault = Fault(text);
        Assert.StartsWith(start, fault, StringComparison.Ordinal);
        Assert.EndsWith(end, fault, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_not_UTF_8_is_a_fault_with_its_line()
    {
        byte[] text = [.. "{ \"shards\": 1,\n\"output\": \"caf"u8, 0xE9, .. "\" }"u8];
        Assert.Equal(
            "sheaf.json: is not UTF-8 text: byte 30 is none of it; save it as UTF-8 (sheaf.json, line 2)",
            Assert.Single(FileLayer.Read("sheaf.json", text).Faults).ToString());
    }

    [Fact]
    public void Every_way_a_file_ends_early_is_a_fault()
    {
        const string Whole = """{ "shards": 4, "drop-projects": [1, 2], "timeout": {"a": [1]}, "overwrite": true }""";
        for (int length = 0; length < Whole.Length; length++)
            Assert.NotEmpty(Read(Whole[..length]).Faults);
    }

    [Fact]
    public void A_file_that_cannot_be_read_is_a_fault() =>
        Assert.StartsWith("--config: '/no/such/file' cannot be read: ", Assert.Single(FileLayer.ReadFile("/no/such/file").Faults).ToString(), StringComparison.Ordinal);

    [Fact]
    public void The_sample_file_is_valid_as_it_is_and_with_everything_switched_on()
    {
        string sample = SampleFile.Write();
        Assert.Empty(Read(sample).Values);
        Assert.Empty(Read(sample).Faults);

        ConfigurationLayer all = Read(sample.Replace("//\"", "\"", StringComparison.Ordinal));
        Assert.Empty(all.Faults);
        Assert.Equal(OptionTable.All.Where(o => o.InFile), all.Values.Select(v => v.Option));
        var options = new EffectiveOptions(new Machine(8, 1 << 30), [all]);
        var defaults = new EffectiveOptions(new Machine(8, 1 << 30), []);
        Assert.Empty(options.Faults);
        Assert.All(OptionTable.All.Where(o => o.Default is not null), o => Assert.Equal(defaults.Find(o)!.Text, options.Find(o)!.Text));
    }
}
