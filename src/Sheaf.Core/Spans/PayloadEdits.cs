namespace Sheaf.Spans;

/// <summary>What the parser found under <c>is_segment</c>.</summary>
public enum IsSegmentForm : byte
{
    /// <summary>No such key: insert at the position.</summary>
    Absent,

    /// <summary><c>true</c> stands at the position.</summary>
    True,

    /// <summary><c>false</c> stands at the position.</summary>
    False,

    /// <summary><c>null</c> stands at the position.</summary>
    Null,
}

/// <summary>What the parser found under <c>attributes["sentry.segment.id"]</c>.</summary>
public enum SegmentIdForm : byte
{
    /// <summary>The attribute is there and has a value: nothing to do.</summary>
    Present,

    /// <summary>No <c>attributes</c>: insert the whole key at the position.</summary>
    AttributesAbsent,

    /// <summary><c>"attributes": null</c>: replace the <c>null</c> at the position.</summary>
    AttributesNull,

    /// <summary><c>{}</c>, maybe with white space: insert at the position, without a comma.</summary>
    AttributesEmpty,

    /// <summary>The attribute is absent from a non-empty object: insert at the position, with a comma.</summary>
    Absent,

    /// <summary>The attribute is <c>null</c>: replace the <c>null</c> at the position.</summary>
    Null,

    /// <summary>The attribute is an object without a value: replace the object at the position, however long.</summary>
    WithoutValue,
}

/// <summary>
/// Where the two edits of ARCHITECTURE.md, rule 5 go in a payload, remembered from the parse so that writing needs no second scan.
/// Positions are byte offsets from the start of the payload; an insertion is always right behind an opening brace.
/// </summary>
/// <param name="IsSegmentAt">Start of the value of <c>is_segment</c>, or where to insert the key.</param>
/// <param name="SegmentIdAt">Position that <paramref name="SegmentId"/> speaks of.</param>
/// <param name="Irregular">
/// The positions do not say all: a key that matters occurs twice, or <see cref="SegmentIdForm.WithoutValue"/>. The writer
/// scans the payload again and edits every occurrence, so that readers of the first one and of the last one agree.
/// </param>
public readonly record struct PayloadEdits(int IsSegmentAt, int SegmentIdAt, IsSegmentForm IsSegment, SegmentIdForm SegmentId, bool Irregular);
