using Sheaf.Buffering;
using Sheaf.Spans;

namespace Sheaf.Segments;

/// <summary>
/// The rules of ARCHITECTURE.md as one pure function: the spans of a trace in input order with their stream times, and the time now, give the
/// segments that have closed and the time to look again. No clock, no I/O. Running it again on what stayed open gives the same as running
/// it on the whole history. The instance only holds scratch memory: one thread at a time.
/// </summary>
/// <remarks>
/// One pass over the spans. An id leads to the group of spans (an open segment) that it belongs to; groups are merged when the span between
/// them arrives (union-find). Groups only grow until they close, and a chain of parents never leaves its group: so all that pass through a span
/// close with it, nothing has to be taken out of a group again, and an id whose group has closed is simply unknown at the next look.
/// No two open groups have one segment id: the group whose chains end at an id is the group that the id leads to.
/// Time is O(n log n) at worst, whatever the shape of the trace; nothing is allocated once the scratch memory has grown.
/// </remarks>
public sealed class SegmentAssembler(SegmentRules rules)
{
    private const int None = -1;

    /// <summary>Where a group's chains of parents end.</summary>
    private enum Top : byte
    {
        /// <summary>At an id that is not buffered.</summary>
        Missing,

        /// <summary>At a segment root.</summary>
        Root,

        /// <summary>Nowhere: they run in a circle.</summary>
        Loop,
    }

    /// <summary>What a span id stands for now.</summary>
    private struct KnownId
    {
        public SpanId Id;

        /// <summary>The group of the owner, or of the spans that wait for one. None when neither is there.</summary>
        public int Group;

        /// <summary>The open span with this id through which chains of parents go on: a root, else the first.</summary>
        public int Owner;

        /// <summary>
        /// Other spans with this id and other payloads, in input order: they own the id when the owner has gone. Where a root
        /// took the id over from a span that is still open, that span is the first.
        /// </summary>
        public int FirstNamesake;
        public int LastNamesake;
    }

    /// <summary>A segment that is open or has closed, or what was merged into another one.</summary>
    private struct Group
    {
        /// <summary>The group it was merged into; itself while it stands.</summary>
        public int Parent;

        /// <summary>Its place among the closed segments; None while it is open.</summary>
        public int Closed;
        public int Count;
        public int FirstSpan;
        public long FirstMs;
        public long NewestMs;
        public long FirstElapsedMs;
        public long NewestElapsedMs;
        public long Bytes;

        /// <summary>The deadline under which it stands in the queue. Never later than its real one, which later spans may have pushed on.</summary>
        public long QueuedMs;
        public SpanId SegmentId;
        public Top Top;
    }

    private struct ClosedGroup
    {
        public long DeadlineMs;
        public SpanId SegmentId;
        public int FirstSpan;
        public int Group;
        public int NextMember;
        public int MissingParents;
        public FlushReason Reason;
    }

    private static readonly Comparison<ClosedGroup> ByClosing = static (a, b) =>
    {
        int order = a.DeadlineMs.CompareTo(b.DeadlineMs);
        if (order == 0) order = a.SegmentId.CompareTo(b.SegmentId);
        return order != 0 ? order : a.FirstSpan.CompareTo(b.FirstSpan);
    };

    private readonly PriorityQueue<int, long> _queue = new();
    private ScratchTable _ids;
    private ScratchTable _offsets;
    private ScratchTable _namesakes;
    private KnownId[] _known = [];
    private Group[] _groups = [];
    private ClosedGroup[] _closed = [];
    private int[] _groupOf = [];
    private int[] _nextNamesake = [];
    private int _knownCount;
    private int _groupCount;
    private int _closedCount;
    private bool _offsetsKept;
    private bool _namesakesKept;
    private long _highestOffset;
    private bool _hasLeaps; // the clock has leapt between spans of the trace, or since: then the elapsed time counts by itself
    private long _earliestElapsedMs; // no open group's deadline in elapsed time is earlier; kept where there are leaps

    /// <summary>Assembles one trace.</summary>
    /// <param name="spans">The buffered spans of one trace in input order; their elapsed times (stream time less what was leapt over) never decrease.</param>
    /// <param name="clockMs">The shard's stream time: a segment closes when this is past its deadline.</param>
    /// <param name="leaptMs">How much of the clock was leapt over: a segment closes also when the rest, the elapsed time, is past its deadline.</param>
    /// <param name="closeAll">When given, whatever is still open closes too, for this reason.</param>
    public void Assemble(ReadOnlySpan<BufferedSpan> spans, long clockMs, long leaptMs, FlushReason? closeAll, AssembledTrace result)
    {
        Begin(spans.Length);
        result.Reset();
        for (int i = 0; i < spans.Length; i++)
        {
            ref readonly BufferedSpan span = ref spans[i];
            _hasLeaps |= span.LeaptMs != spans[0].LeaptMs;
            CloseDue(span.StreamTimeMs, span.StreamTimeMs - span.LeaptMs);
            if (IsSameDelivery(spans, i))
            {
                _groupOf[i] = None;
                result.AddRedelivered(i);
            }
            else if (!TryJoin(spans, i))
            {
                _groupOf[i] = None;
                result.AddDuplicate(i);
            }
        }
        _hasLeaps |= spans.Length > 0 && leaptMs != spans[0].LeaptMs;
        CloseDue(clockMs, clockMs - leaptMs);
        if (closeAll is { } reason) CloseRest(reason);
        result.NextDeadlineMs = TryPeekEarliest(out _, out long next, out _) ? next : SegmentRules.Never;
        if (_hasLeaps && result.NextDeadlineMs != SegmentRules.Never)
        {
            CloseElapsed(clockMs - leaptMs); // closes nothing more: it finds the earliest
            result.NextDeadlineMs = Math.Min(result.NextDeadlineMs, _earliestElapsedMs + leaptMs);
        }
        if (_closedCount > 0) WriteSegments(spans, result);
    }

    private void Begin(int count)
    {
        if (_groupOf.Length < count)
        {
            // One span brings at most two ids and one group.
            int capacity = Math.Max(count, 2 * _groupOf.Length);
            _known = new KnownId[2 * capacity];
            _groups = new Group[capacity];
            _groupOf = new int[capacity];
            _nextNamesake = new int[capacity];
        }
        _ids.Begin(2 * count);
        _queue.Clear();
        _knownCount = 0;
        _groupCount = 0;
        _closedCount = 0;
        _offsetsKept = false;
        _namesakesKept = false;
        _highestOffset = long.MinValue;
        _hasLeaps = false;
        _earliestElapsedMs = long.MinValue;
    }

    /// <summary>Rule 7, second half: was a span from this source position seen in this trace? Positions grow, but for what is delivered again.</summary>
    private bool IsSameDelivery(ReadOnlySpan<BufferedSpan> spans, int span)
    {
        long offset = spans[span].SourceOffset;
        bool grows = offset > _highestOffset;
        if (grows) _highestOffset = offset;
        if (!_offsetsKept)
        {
            if (grows) return false;
            _offsetsKept = true;
            _offsets.Begin(spans.Length);
            for (int earlier = 0; earlier < span; earlier++) TryKeepOffset(spans, earlier);
        }
        return !TryKeepOffset(spans, span);
    }

    private bool TryKeepOffset(ReadOnlySpan<BufferedSpan> spans, int span)
    {
        long offset = spans[span].SourceOffset;
        int slot = _offsets.Start((ulong)offset);
        for (; _offsets.TryGet(slot, out int earlier); slot = _offsets.Next(slot))
        {
            if (spans[earlier].SourceOffset == offset) return false;
        }
        _offsets.Set(slot, span);
        return true;
    }

    /// <summary>Rules 1, 2 and 6: puts a span into its segment. False when it is a copy of an open span (rule 7).</summary>
    private bool TryJoin(ReadOnlySpan<BufferedSpan> spans, int index)
    {
        ref readonly BufferedSpan span = ref spans[index];
        int own = Resolve(span.SpanId);
        ref KnownId known = ref _known[own];
        bool isTaken = known.Owner != None;
        if (isTaken && IsCopy(spans, index, in known)) return false;

        int group;
        if (span.IsSegmentRoot)
        {
            bool isOpen = known.Group != None && _groups[known.Group].SegmentId == span.SpanId;
            group = isOpen ? known.Group : AddGroup();
            _groups[group].SegmentId = span.SpanId;
            _groups[group].Top = Top.Root;
        }
        else
        {
            int waiting = isTaken ? None : known.Group; // those that came before their parent, this span
            group = GroupAbove(spans, in span, own, waiting);
        }

        _groupOf[index] = group;
        if (!isTaken)
        {
            known.Owner = index;
            known.Group = group;
        }
        else if (span.IsSegmentRoot && !spans[known.Owner].IsSegmentRoot)
        {
            AddNamesake(spans, known.Owner, ref known, first: true);
            known.Owner = index;
            known.Group = group;
        }
        else
        {
            AddNamesake(spans, index, ref known, first: false);
        }
        Grow(group, index, in span);
        return true;
    }

    /// <summary>The group of a span that is no root, by its effective parent. Those that waited for it come too.</summary>
    /// <param name="own">The span's id, as an index of the known ids.</param>
    /// <param name="waiting">The group that waits for this span; None where there is none or the id has an owner.</param>
    private int GroupAbove(ReadOnlySpan<BufferedSpan> spans, in BufferedSpan span, int own, int waiting)
    {
        int up = Resolve(span.EffectiveParent);
        ref KnownId parent = ref _known[up];
        int group = parent.Group;
        if (group == None)
        {
            group = waiting != None ? waiting : AddGroup();
            parent.Group = group;
            _groups[group].SegmentId = parent.Id;
            _groups[group].Top = up == own ? Top.Loop : Top.Missing;
        }
        else if (group == waiting)
        {
            SpanId smallest = SmallestIdOfLoop(spans, in span);
            int taken = _known[Resolve(smallest)].Group; // another one where a root has taken that id over
            if (taken != group)
            {
                Merge(group, taken);
                return taken;
            }
            _groups[group].SegmentId = smallest;
            _groups[group].Top = Top.Loop;
        }
        else if (waiting != None)
        {
            Merge(waiting, group);
        }
        return group;
    }

    /// <summary>What an id stands for now, as an index of the known ids; unknown ids become known.</summary>
    private int Resolve(SpanId id)
    {
        int slot = _ids.Start(id.Value);
        for (; _ids.TryGet(slot, out int known); slot = _ids.Next(slot))
        {
            if (_known[known].Id != id) continue;
            Refresh(ref _known[known]);
            return known;
        }
        int added = _knownCount++;
        _ids.Set(slot, added);
        _known[added] = new KnownId { Id = id, Group = None, Owner = None, FirstNamesake = None, LastNamesake = None };
        return added;
    }

    private void Refresh(ref KnownId known)
    {
        if (known.Group == None) return;
        known.Group = Find(known.Group);
        if (_groups[known.Group].Closed == None) return;

        // Its group has closed, with all that passed through this id. The next open span with the id takes over.
        known.Group = None;
        known.Owner = None;
        while (known.FirstNamesake != None)
        {
            int namesake = known.FirstNamesake;
            known.FirstNamesake = _nextNamesake[namesake];
            int group = Find(_groupOf[namesake]);
            if (_groups[group].Closed != None) continue;
            known.Group = group;
            known.Owner = namesake;
            return;
        }
    }

    /// <summary>Is this span a copy of an open span with its id?</summary>
    private bool IsCopy(ReadOnlySpan<BufferedSpan> spans, int index, in KnownId known)
    {
        ref readonly BufferedSpan span = ref spans[index];
        if (AreCopies(in span, in spans[known.Owner])) return true;
        if (known.FirstNamesake == None) return false;
        for (int slot = _namesakes.Start(NamesakeKey(in span)); _namesakes.TryGet(slot, out int other); slot = _namesakes.Next(slot))
        {
            if (AreCopies(in span, in spans[other])) return _groups[Find(_groupOf[other])].Closed == None;
        }
        return false;
    }

    private void AddNamesake(ReadOnlySpan<BufferedSpan> spans, int index, ref KnownId known, bool first)
    {
        _nextNamesake[index] = first ? known.FirstNamesake : None;
        bool isOnly = known.FirstNamesake == None;
        if (!first && !isOnly) _nextNamesake[known.LastNamesake] = index;
        if (first || isOnly) known.FirstNamesake = index;
        if (!first || isOnly) known.LastNamesake = index;

        // The chain keeps the order; the table tells copies without walking it, for ids that very many spans share.
        if (!_namesakesKept)
        {
            _namesakesKept = true;
            _namesakes.Begin(spans.Length);
        }
        int slot = _namesakes.Start(NamesakeKey(in spans[index]));
        while (_namesakes.TryGet(slot, out int other) && !AreCopies(in spans[index], in spans[other])) slot = _namesakes.Next(slot);
        _namesakes.Set(slot, index);
    }

    private static ulong NamesakeKey(in BufferedSpan span) => span.PayloadHash ^ (span.SpanId.Value * 0xD6E8FEB86659FD93);

    private static bool AreCopies(in BufferedSpan a, in BufferedSpan b) =>
        a.PayloadHash == b.PayloadHash && a.PayloadLength == b.PayloadLength && a.SpanId == b.SpanId;

    /// <summary>The loop that this span closes, whose other spans are all there.</summary>
    private SpanId SmallestIdOfLoop(ReadOnlySpan<BufferedSpan> spans, in BufferedSpan span)
    {
        SpanId smallest = span.SpanId;
        SpanId id = span.EffectiveParent;
        while (id != span.SpanId)
        {
            if (id < smallest) smallest = id;
            ref readonly KnownId known = ref _known[Resolve(id)];
            // No root is part of a loop: where one has taken the id over, the loop goes through the span that had it before.
            int next = spans[known.Owner].IsSegmentRoot ? known.FirstNamesake : known.Owner;
            id = spans[next].EffectiveParent;
        }
        return smallest;
    }

    private int AddGroup()
    {
        int group = _groupCount++;
        _groups[group] = new Group
        {
            Parent = group, Closed = None, FirstSpan = int.MaxValue, FirstMs = long.MaxValue, NewestMs = long.MinValue,
            FirstElapsedMs = long.MaxValue, NewestElapsedMs = long.MinValue, QueuedMs = long.MaxValue,
        };
        return group;
    }

    private int Find(int group)
    {
        Group[] groups = _groups;
        while (groups[group].Parent != group)
        {
            int parent = groups[group].Parent;
            group = groups[group].Parent = groups[parent].Parent;
        }
        return group;
    }

    private void Merge(int below, int above)
    {
        ref Group lost = ref _groups[below];
        ref Group kept = ref _groups[above];
        lost.Parent = above;
        kept.Count += lost.Count;
        kept.Bytes += lost.Bytes;
        kept.FirstMs = Math.Min(kept.FirstMs, lost.FirstMs);
        kept.NewestMs = Math.Max(kept.NewestMs, lost.NewestMs);
        kept.FirstElapsedMs = Math.Min(kept.FirstElapsedMs, lost.FirstElapsedMs);
        kept.NewestElapsedMs = Math.Max(kept.NewestElapsedMs, lost.NewestElapsedMs);
        kept.FirstSpan = Math.Min(kept.FirstSpan, lost.FirstSpan);
    }

    private void Grow(int index, int spanIndex, in BufferedSpan span)
    {
        ref Group group = ref _groups[index];
        if (group.Count++ == 0) group.FirstSpan = spanIndex;
        long elapsed = span.StreamTimeMs - span.LeaptMs;
        group.FirstMs = Math.Min(group.FirstMs, span.StreamTimeMs);
        group.NewestMs = Math.Max(group.NewestMs, span.StreamTimeMs);
        group.FirstElapsedMs = Math.Min(group.FirstElapsedMs, elapsed);
        group.NewestElapsedMs = Math.Max(group.NewestElapsedMs, elapsed);
        group.Bytes += span.PayloadLength;
        if (group.Bytes > rules.MaxSegmentBytes)
        {
            Close(index, FlushReason.MaxBytes, span.StreamTimeMs);
            return;
        }
        if (_hasLeaps) _earliestElapsedMs = Math.Min(_earliestElapsedMs, ElapsedDeadlineOf(in group));
        long deadline = DeadlineOf(in group, out _);
        if (deadline >= group.QueuedMs) return;
        group.QueuedMs = deadline;
        _queue.Enqueue(index, deadline);
    }

    private long DeadlineOf(in Group group, out FlushReason reason) =>
        rules.Deadline(group.FirstMs, group.NewestMs, group.Top == Top.Root, out reason);

    private long ElapsedDeadlineOf(in Group group) => rules.Deadline(group.FirstElapsedMs, group.NewestElapsedMs, group.Top == Top.Root, out _);

    /// <summary>Rule 4: closes what has its deadline before this time. A span that comes exactly at the deadline still belongs.</summary>
    /// <param name="elapsedMs">The same for the deadline in elapsed time. Without leaps both are one.</param>
    private void CloseDue(long timeMs, long elapsedMs)
    {
        while (_queue.TryPeek(out _, out long queued) && queued < timeMs
            && TryPeekEarliest(out int group, out long deadline, out FlushReason reason) && deadline < timeMs)
        {
            _queue.Dequeue();
            Close(group, reason, deadline);
        }
        if (_hasLeaps && _earliestElapsedMs < elapsedMs) CloseElapsed(elapsedMs);
    }

    private void CloseElapsed(long elapsedMs)
    {
        _earliestElapsedMs = SegmentRules.Never;
        for (int index = 0; index < _groupCount; index++)
        {
            ref Group group = ref _groups[index];
            if (group.Parent != index || group.Closed != None) continue;
            long elapsedDeadline = ElapsedDeadlineOf(in group);
            if (elapsedDeadline >= elapsedMs)
            {
                _earliestElapsedMs = Math.Min(_earliestElapsedMs, elapsedDeadline);
                continue;
            }
            // What is told of the segment follows from its spans alone, whenever it is looked at.
            long deadline = DeadlineOf(in group, out FlushReason reason);
            Close(index, reason, deadline);
        }
    }

    /// <summary>
    /// The open group with the earliest deadline. A deadline that was pushed on is put right only when it comes to the top of the queue: at most
    /// once for each span of the group.
    /// </summary>
    private bool TryPeekEarliest(out int index, out long deadline, out FlushReason reason)
    {
        while (_queue.TryPeek(out index, out long queued))
        {
            ref Group group = ref _groups[index];
            if (group.Parent != index || group.Closed != None || group.QueuedMs != queued)
            {
                _queue.Dequeue();
                continue;
            }
            deadline = DeadlineOf(in group, out reason);
            if (deadline == queued) return true;
            group.QueuedMs = deadline;
            _queue.DequeueEnqueue(index, deadline);
        }
        deadline = SegmentRules.Never;
        reason = default;
        return false;
    }

    private void CloseRest(FlushReason reason)
    {
        for (int group = 0; group < _groupCount; group++)
        {
            if (_groups[group].Parent == group && _groups[group].Closed == None)
                Close(group, reason, DeadlineOf(in _groups[group], out _));
        }
    }

    private void Close(int index, FlushReason reason, long deadlineMs)
    {
        if (_closedCount == _closed.Length) Array.Resize(ref _closed, Math.Max(16, 2 * _closedCount));
        ref Group group = ref _groups[index];
        group.Closed = _closedCount;
        _closed[_closedCount++] = new ClosedGroup
        {
            DeadlineMs = deadlineMs,
            SegmentId = group.SegmentId,
            FirstSpan = group.FirstSpan,
            Group = index,
            Reason = reason,
        };
    }

    private void WriteSegments(ReadOnlySpan<BufferedSpan> spans, AssembledTrace result)
    {
        Span<ClosedGroup> closed = _closed.AsSpan(0, _closedCount);
        if (closed.Length > 1) closed.Sort(ByClosing);
        int memberCount = 0;
        for (int i = 0; i < closed.Length; i++)
        {
            ref Group group = ref _groups[closed[i].Group];
            group.Closed = i;
            closed[i].NextMember = memberCount;
            memberCount += group.Count;
        }

        Span<int> members = result.AddMembers(memberCount);
        for (int i = 0; i < spans.Length; i++)
        {
            if (_groupOf[i] == None) continue;
            ref Group group = ref _groups[Find(_groupOf[i])];
            if (group.Closed == None) continue;
            ref ClosedGroup segment = ref closed[group.Closed];
            members[segment.NextMember++] = i;
            // Every other chain of parents stays among the segment's spans.
            if (group.Top == Top.Missing && spans[i].EffectiveParent == group.SegmentId) segment.MissingParents++;
        }

        foreach (ref readonly ClosedGroup segment in closed)
        {
            ref readonly Group group = ref _groups[segment.Group];
            result.AddSegment(new AssembledSegment(
                segment.SegmentId, group.Top != Top.Missing, segment.Reason, segment.DeadlineMs,
                segment.NextMember - group.Count, group.Count, segment.MissingParents));
        }
    }
}
