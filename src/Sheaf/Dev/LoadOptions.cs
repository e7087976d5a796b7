namespace Sheaf.Dev;

/// <summary>What load to generate. The same options give the same bytes.</summary>
public sealed record LoadOptions
{
    /// <summary>Distinct spans. Copies and unusable lines come on top. At least 0.</summary>
    public long Spans { get; init; } = 100_000;

    public long Seed { get; init; } = 1;

    /// <summary>Mean length of a span's line, its end included. 500 to 65 536.</summary>
    public int BytesPerSpan { get; init; } = 1100;

    /// <summary>Mean number of spans of a segment. At least 1.</summary>
    public double SpansPerSegment { get; init; } = 10;

    /// <summary>How long after its end a span arrives at most, in seconds: three fifths by trace and service, the rest by span. 0 to 600.</summary>
    public double LatenessSeconds { get; init; } = 0.5;

    /// <summary>Share of the segments of two or more spans whose root never comes. 0 to 1.</summary>
    public double RootsMissing { get; init; }

    /// <summary>Share of the spans that are delivered a second time, at most a second after the first. 0 to 1.</summary>
    public double Duplicates { get; init; }

    /// <summary>Unusable lines per span. 0 to 1.</summary>
    public double Invalid { get; init; }

    /// <summary>Projects, which stand for services: their ids are 1 to this. 1 to 1 000 000.</summary>
    public int Projects { get; init; } = 10;

    /// <summary>Spans per second of stream time. 1 to 10 000 000.</summary>
    public double StreamRate { get; init; } = 100_000;

    /// <summary>
    /// Longest time that the spans of one segment take to arrive, in seconds of stream time. No gap within a segment is longer, so with
    /// timeouts above this nothing is cut.
    /// </summary>
    public double LongestSegmentSeconds => TraceShape.LongestTraceSeconds + LatenessSeconds;

    /// <summary>Largest mean size of a segment: far enough from <c>max-segment-bytes</c> (10 MiB) that none is cut by its size.</summary>
    public const int LargestMeanSegmentBytes = 1 << 20;

    /// <summary>Every fault of these options, as sentences that name option, value and range. Empty where there is none.</summary>
    public IReadOnlyList<string> Faults()
    {
        var faults = new List<string>();
        Require(Spans >= 0, "--spans", Spans, "0 or more");
        Require(BytesPerSpan is >= 500 and <= 65_536, "--bytes-per-span", BytesPerSpan, "500 to 65536");
        Require(SpansPerSegment is >= 1 and <= 10_000, "--spans-per-segment", SpansPerSegment, "1 to 10000");
        Require(LatenessSeconds is >= 0 and <= 600, "--lateness", LatenessSeconds, "0 to 600 seconds");
        Require(RootsMissing is >= 0 and <= 1, "--roots-missing", RootsMissing, "a ratio from 0 to 1");
        Require(Duplicates is >= 0 and <= 1, "--duplicates", Duplicates, "a ratio from 0 to 1");
        Require(Invalid is >= 0 and <= 1, "--invalid", Invalid, "a ratio from 0 to 1");
        Require(Projects is >= 1 and <= 1_000_000, "--projects", Projects, "1 to 1000000");
        Require(StreamRate is >= 1 and <= 10_000_000, "--stream-rate", StreamRate, "1 to 10000000 spans per second");
        if (faults.Count == 0)
        {
            Require(
                SpansPerSegment * BytesPerSpan <= LargestMeanSegmentBytes, "--spans-per-segment times --bytes-per-span",
                SpansPerSegment * BytesPerSpan, "at most 1048576 bytes, so that no segment is cut by its size");
        }
        return faults;

        void Require(bool holds, string option, IFormattable value, string range)
        {
            if (!holds) faults.Add(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{option} is {value}; it must be {range}."));
        }
    }
}
