using Sheaf.Flushing;
using Sheaf.Supervision;
using Xunit;

namespace Sheaf.Tests.Supervision;

public class FaultPlanTests
{
    [Theory]
    [InlineData("AfterClaim=kill@3")]
    [InlineData("AfterClaim=kill@3,BeforeProduce=stop@1*,AfterRemove=exit~0.25,AfterProduceBeforeRemove=throw@2")]
    public void A_plan_is_written_as_it_is_read(string text) => Assert.Equal(text, FaultPlan.Parse(text).ToString());

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void Nothing_is_armed_by_nothing(string? text) => Assert.False(FaultPlan.Parse(text).IsArmed);

    [Theory]
    [InlineData("Claim=kill@1", "there is no fault point 'Claim'; there are AfterAppend, ")]
    [InlineData("1=kill@1", "there is no fault point '1'")]
    [InlineData("AfterClaim=explode@1", "there is no action 'explode'; there are kill, stop, exit, throw")]
    [InlineData("AfterClaim=kill", "is not of the form")]
    [InlineData("AfterClaim", "is not of the form")]
    [InlineData("AfterClaim=kill@0", "'0' is not a number from 1")]
    [InlineData("AfterClaim=kill@*", "'*' is not a number from 1")]
    [InlineData("AfterClaim=kill@-1", "'-1' is not a number from 1")]
    [InlineData("AfterClaim=kill~0", "'0' is not a probability")]
    [InlineData("AfterClaim=kill~1.01", "'1.01' is not a probability")]
    [InlineData("AfterClaim=kill@1,,", "'': it is not of the form")]
    public void What_cannot_be_meant_is_refused(string text, string reason)
    {
        string message = Assert.Throws<ConfigurationException>(() => FaultPlan.Parse(text)).Message;
        Assert.StartsWith("SHEAF_FAULT_POINTS: '", message, StringComparison.Ordinal);
        Assert.Contains(reason, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_fault_of_the_text_is_told()
    {
        string message = Assert.Throws<ConfigurationException>(() => FaultPlan.Parse("A=kill@1,AfterClaim=b@1")).Message;
        Assert.Contains("'A'", message, StringComparison.Ordinal);
        Assert.Contains("'b'", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_replacement_has_only_what_is_meant_for_every_life() => Assert.Equal(
        "AfterClaim=stop@2*,AfterRemove=exit~0.5", FaultPlan.Parse("AfterClaim=kill@1,AfterClaim=stop@2*,AfterRemove=exit~0.5").ForReplacement().ToString());

    [Fact]
    public void A_point_fails_at_its_nth_time_and_no_other()
    {
        var acted = new List<string>();
        var armed = new ArmedFaultPoints(FaultPlan.Parse("AfterClaim=kill@2,BeforeProduce=stop@1"), 0, (action, point) => acted.Add($"{point} {action}"));
        foreach (FaultPoint point in (FaultPoint[])[FaultPoint.AfterClaim, FaultPoint.AfterRemove, FaultPoint.BeforeProduce, FaultPoint.AfterClaim, FaultPoint.AfterClaim, FaultPoint.BeforeProduce])
            armed.Reach(point);
        Assert.Equal(["BeforeProduce Stop", "AfterClaim Kill"], acted);
    }

    [Fact]
    public void Chance_is_a_seed()
    {
        Assert.Equal(Fails(1), Fails(1));
        Assert.NotEqual(Fails(1), Fails(2));
        Assert.InRange(Fails(1).Count, 50, 150);

        static List<int> Fails(int seed)
        {
            var fails = new List<int>();
            int now = 0;
            var armed = new ArmedFaultPoints(FaultPlan.Parse("AfterClaim=kill~0.1"), seed, (_, _) => fails.Add(now));
            for (; now < 1000; now++) armed.Reach(FaultPoint.AfterClaim);
            return fails;
        }
    }

    [Fact]
    public void Throwing_names_the_point()
    {
        var armed = new ArmedFaultPoints(FaultPlan.Parse("AfterRemove=throw@1"), 0);
        Assert.Contains("AfterRemove", Assert.Throws<InvalidOperationException>(() => armed.Reach(FaultPoint.AfterRemove)).Message, StringComparison.Ordinal);
    }
}
