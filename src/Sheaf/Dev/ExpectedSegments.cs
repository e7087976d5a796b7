using System.Runtime.InteropServices;
using Sheaf.Spans;

namespace Sheaf.Dev;

/// <summary>
/// The segments that a load makes when nothing is cut by a timeout, by size or by age: what <c>sheaf dev verify --expect</c> compares with.
/// </summary>
public sealed class ExpectedSegments
{
    private readonly List<Segment> _segments = [];
    private readonly List<SpanId> _members = [];

    /// <summary>Begins a segment; the spans added after it are its own.</summary>
    public void AddSegment(TraceKey trace, SpanId segmentId, bool hasRoot) =>
        _segments.Add(new Segment(trace, segmentId, hasRoot, _members.Count));

    /// <summary>Adds a span to the segment begun last.</summary>
    public void AddSpan(SpanId span)
    {
        _members.Add(span);
        CollectionsMarshal.AsSpan(_segments)[^1].Count++;
    }

    /// <summary>
    /// Writes a JSON line per segment, sorted by project, trace and segment:
    /// <c>{"project_id","trace_id","segment_id","has_root","span_ids"}</c>, the span ids sorted.
    /// </summary>
    public async Task WriteAsync(Stream output, CancellationToken cancel)
    {
        _segments.Sort();
        var line = new LineBuffer(1 << 18);
        for (int i = 0; i < _segments.Count; i++)
        {
            Write(_segments[i], line);
            if (line.Length < 1 << 17) continue;
            await output.WriteAsync(line.Written, cancel);
            line.Clear();
        }
        await output.WriteAsync(line.Written, cancel);
        await output.FlushAsync(cancel);
    }

    private void Write(in Segment segment, LineBuffer line)
    {
        Span<SpanId> members = CollectionsMarshal.AsSpan(_members).Slice(segment.First, segment.Count);
        members.Sort();
        line.Reserve(200 + members.Length * (SpanId.TextLength + 3));
        line.Append("{\"project_id\":"u8);
        line.Append(segment.Trace.ProjectId);
        line.Append(",\"trace_id\":\""u8);
        line.Append(segment.Trace.TraceId);
        line.Append("\",\"segment_id\":\""u8);
        line.Append(segment.Id);
        line.Append(segment.HasRoot ? "\",\"has_root\":true,\"span_ids\":["u8 : "\",\"has_root\":false,\"span_ids\":["u8);
        for (int i = 0; i < members.Length; i++)
        {
            line.Append(i == 0 ? "\""u8 : ",\""u8);
            line.Append(members[i]);
            line.Append("\""u8);
        }
        line.Append("]}\n"u8);
    }

    private record struct Segment(TraceKey Trace, SpanId Id, bool HasRoot, int First) : IComparable<Segment>
    {
        public int Count;

        public readonly int CompareTo(Segment other)
        {
            int by = Trace.ProjectId.CompareTo(other.Trace.ProjectId);
            if (by == 0) by = Trace.TraceId.High.CompareTo(other.Trace.TraceId.High);
            if (by == 0) by = Trace.TraceId.Low.CompareTo(other.Trace.TraceId.Low);
            return by != 0 ? by : Id.CompareTo(other.Id);
        }
    }
}
