using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Sheaf.Spans;

namespace Sheaf.Configuration;

/// <summary>A set of ids, separated by commas. The empty text is the empty set, so that a list of a lower source can be switched off.</summary>
internal abstract class SetKind<T> : OptionKind<FrozenSet<T>>
{
    public override bool IsList => true;

    public override bool TryParse(string text, [MaybeNullWhen(false)] out FrozenSet<T> value)
    {
        value = null;
        var ids = new HashSet<T>();
        if (text.Length > 0)
        {
            foreach (string part in text.Split(',', StringSplitOptions.TrimEntries))
            {
                if (!TryParseOne(part, out T? id)) return false;
                ids.Add(id);
            }
        }
        value = ids.ToFrozenSet();
        return true;
    }

    public override string Format(FrozenSet<T> value) => string.Join(',', value.Order(Comparer).Select(FormatOne));

    protected abstract IComparer<T> Comparer { get; }

    protected abstract bool TryParseOne(string text, [MaybeNullWhen(false)] out T id);

    protected abstract string FormatOne(T id);
}

/// <summary>Ids of organizations or projects.</summary>
internal sealed class IdSetKind : SetKind<long>
{
    public override string Placeholder => "ID[,ID...]";

    public override string Range => string.Create(CultureInfo.InvariantCulture, $"a list of integers from 0 to {long.MaxValue}, separated by commas");

    protected override IComparer<long> Comparer => Comparer<long>.Default;

    protected override bool TryParseOne(string text, out long id) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out id);

    protected override string FormatOne(long id) => id.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Ids of traces.</summary>
internal sealed class TraceIdSetKind : SetKind<TraceId>
{
    public override string Placeholder => "TRACE[,TRACE...]";

    public override string Range => "a list of trace ids of 32 hex digits (dashes allowed), separated by commas";

    protected override IComparer<TraceId> Comparer { get; } = Comparer<TraceId>.Create((a, b) => (a.High, a.Low).CompareTo((b.High, b.Low)));

    protected override bool TryParseOne(string text, out TraceId id) => TraceId.TryParse(Encoding.UTF8.GetBytes(text), out id);

    protected override string FormatOne(TraceId id) => id.ToString();
}
