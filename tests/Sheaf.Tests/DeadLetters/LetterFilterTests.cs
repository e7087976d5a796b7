using System.Collections.Frozen;
using Sheaf.DeadLetters;

namespace Sheaf.Tests.DeadLetters;

public class LetterFilterTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 31, 12, 0, 0, TimeSpan.Zero);
    private static readonly LetterFilter All = new(FrozenSet<string>.Empty, FrozenSet<long>.Empty, null, null);
    private static readonly KeptLetter Letter = new() { Place = new LetterPlace(0, 1), Reason = "missing", SourcePartition = 3, Time = Noon, Message = [] };

    [Fact]
    public void Without_a_filter_every_letter_is_meant_whatever_it_does_not_say() =>
        Assert.True(All.Matches(Letter) && All.Matches(new KeptLetter { Place = default, Message = [] }));

    [Fact]
    public void Each_filter_has_its_limits_and_all_of_them_hold()
    {
        Assert.True((All with { Reasons = new[] { "null", "missing" }.ToFrozenSet() }).Matches(Letter));
        Assert.False((All with { Reasons = new[] { "null" }.ToFrozenSet() }).Matches(Letter));
        Assert.True((All with { SourcePartitions = new[] { 3L }.ToFrozenSet() }).Matches(Letter));
        Assert.False((All with { SourcePartitions = new[] { 2L }.ToFrozenSet() }).Matches(Letter));
        Assert.True((All with { Since = Noon }).Matches(Letter)); // then or later
        Assert.False((All with { Since = Noon.AddMilliseconds(1) }).Matches(Letter));
        Assert.False((All with { Until = Noon }).Matches(Letter)); // before
        Assert.True((All with { Until = Noon.AddMilliseconds(1) }).Matches(Letter));
        Assert.False((All with { Since = Noon, SourcePartitions = new[] { 2L }.ToFrozenSet() }).Matches(Letter));
    }

    [Fact]
    public void A_letter_that_does_not_say_what_is_asked_for_is_not_meant()
    {
        var silent = new KeptLetter { Place = default, Message = [] };
        Assert.False((All with { Since = Noon }).Matches(silent));
        Assert.False((All with { Until = Noon }).Matches(silent));
        Assert.False((All with { SourcePartitions = new[] { 0L }.ToFrozenSet() }).Matches(silent));
    }

    [Theory]
    [InlineData("0:17", true, false)]
    [InlineData("17", true, true)]
    [InlineData("", false, false)]
    [InlineData("a", false, false)]
    [InlineData("0:", false, false)]
    [InlineData(":17", false, false)]
    [InlineData("-1:17", false, false)]
    [InlineData("0:1:2", false, false)]
    public void A_place_is_read_as_it_is_written(string text, bool isPlace, bool isLine)
    {
        Assert.Equal(isPlace, LetterPlace.TryParse(text, out LetterPlace place));
        if (!isPlace) return;
        Assert.Equal(isLine, place.IsLine);
        Assert.Equal(text, place.ToString());
    }
}
