using Sheaf.Configuration;
using Sheaf.Tests.Commands;
using Xunit;

namespace Sheaf.Tests.Configuration;

/// <summary>Default, lowest, highest and just outside, for every option that only <c>sheaf dlq</c> has; an option that lacks them fails here.</summary>
public class DlqOptionBoundaries
{
    private sealed record Boundaries(string? Default, string[] Accepted, string[] Refused);

    private static readonly Dictionary<string, Boundaries> Expected = new()
    {
        ["dead-letter"] = new(null, ["file:x", "kafka://a/t", "kafka://a:1,b:2/t?security.protocol=ssl"], ["", "file:", "x", "stop", "kafka:t", "kafka://a", "kafka://a/t,u", "kafka://a/t?group=g"]),
        ["reason"] = new("", ["", "empty", "missing, too_large_for_output"], ["none", "Missing", "a,,b"]),
        ["source-partition"] = new("", ["", "0", "1,2"], ["-1", "a"]),
        ["since"] = new(null, ["2026-01-31", "2026-01-31T12:00", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5+02:00", "0s", "2h", "7d", "3650d"], ["", "yesterday", "3651d", "60", "2026-13-01", "12:00", "-1h"]),
        ["until"] = new(null, ["2026-01-31", "30m"], ["", "now"]),
        ["limit"] = new("0", ["0", "9223372036854775807"], ["-1", "9223372036854775808", ""]),
        ["json"] = new("false", ["false", "true"], ["", "yes"]),
        ["raw"] = new("false", ["false", "true"], ["", "yes"]),
        ["to"] = new(null, ["spans", "kafka://a/spans"], ["", "a b", "kafka://a", "kafka://a/s,t"]),
        ["rate"] = new("100/s", ["0", "1/s", "1000000/s", "500"], ["-1", "1000001", "", "1.5", "100/m"]),
        ["send"] = new("false", ["false", "true"], ["", "yes"]),
        ["dry-run"] = new("false", ["false", "true"], ["", "yes"]),
        ["group"] = new(null, ["a", "mended.clients_1"], ["", "a b"]),
        ["after-line"] = new("0", ["0", "9223372036854775807"], ["-1", ""]),
    };

    private static IEnumerable<OptionSpec> Own => DlqOptionTable.List.Concat(DlqOptionTable.Show).Concat(DlqOptionTable.Redrive).Except(OptionTable.All).Distinct();

    [Fact]
    public void Every_option_has_boundaries_here_and_says_what_it_is()
    {
        Assert.Equal(Own.Select(o => o.Name).Order(), Expected.Keys.Order());
        Assert.All(Own, option => Assert.True(option.Summary.EndsWith('.') && option.Summary.Length is > 20 and < 100, option.Name));
    }

    public static TheoryData<string> Names() => [.. Expected.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Values_up_to_the_limits_are_accepted_and_those_outside_refused(string name)
    {
        OptionSpec option = Own.Single(o => o.Name == name);
        Assert.Equal(Expected[name].Default, new EffectiveOptions(TestHost.Machine, [], [option]).Find(option)?.Text);
        foreach (string text in Expected[name].Accepted)
        {
            Assert.True(option.TryRead(text, out object? value, out string? canonical), $"'{text}' was refused");
            Assert.True(option.TryRead(canonical, out object? again, out string? canonicalAgain), $"'{canonical}', written for '{text}', was refused");
            Assert.Equal(canonical, canonicalAgain);
            Assert.Equal(value, again);
        }
        foreach (string text in Expected[name].Refused)
        {
            var layer = new ConfigurationLayer([new GivenValue(option, text, OptionSource.CommandLine)], []);
            ConfigurationFault fault = Assert.Single(new EffectiveOptions(TestHost.Machine, [layer], [option]).Faults);
            Assert.Equal($"--{name}: {option.Problem(text)} (command line)", fault.ToString());
        }
    }

    [Fact]
    public void A_time_ago_is_counted_from_now() =>
        Assert.Equal(new DateTimeOffset(2026, 1, 31, 10, 0, 0, TimeSpan.Zero), new Moment(null, TimeSpan.FromHours(2)).From(new(2026, 1, 31, 12, 0, 0, TimeSpan.Zero)));
}
