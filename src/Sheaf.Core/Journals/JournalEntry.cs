using Sheaf.Buffering;

namespace Sheaf.Journals;

/// <summary>The spans of a batch, packed: what one append adds to a journal, or one carry. Immutable; the bytes are the entry's own.</summary>
/// <param name="Id">Later entries have higher ones; from 1. 0 where the journal has not given one yet.</param>
/// <param name="First">Its spans come from behind this offset …</param>
/// <param name="Through">… and up to this one, with the shard's clock behind them. Entries of a shard overlap nowhere in this.</param>
/// <param name="Spans">How many.</param>
/// <param name="Packed">The messages; see <see cref="IJournal.Unpack"/>.</param>
/// <param name="Packing">How they are packed; the journal that gave the entry knows.</param>
public readonly record struct JournalEntry(long Id, long First, StoredPosition Through, int Spans, ReadOnlyMemory<byte> Packed, string Packing);
