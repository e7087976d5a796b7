using System.Text;

namespace Sheaf.Dev;

/// <summary>
/// Endless text for the values of attributes, as it stands inside a JSON string. A piece may be taken from anywhere: it is cut between
/// words, so no escape and no UTF-8 sequence is torn. Immutable.
/// </summary>
internal sealed class SpanText
{
    private readonly byte[] _text;
    private readonly int[] _cutAtOrBefore;

    /// <param name="words">Words as they stand in JSON, escaped where they must be.</param>
    /// <param name="size">Bytes of text to take pieces from.</param>
    public SpanText(string[] words, int size, SeededRandom random)
    {
        var text = new List<byte>(size + 64);
        var cuts = new List<int>(size + 64);
        while (text.Count < size)
        {
            int cut = text.Count;
            byte[] word = Encoding.UTF8.GetBytes(words[random.Next(words.Length)] + " ");
            text.AddRange(word);
            cuts.AddRange(Enumerable.Repeat(cut, word.Length));
        }
        cuts.Add(text.Count);
        _text = [.. text];
        _cutAtOrBefore = [.. cuts];
    }

    /// <summary>A piece of about this length (at most 15 words' letters off), chosen by a random number.</summary>
    public ReadOnlySpan<byte> Piece(ulong choice, int length)
    {
        length = Math.Min(length, _text.Length);
        int start = (int)(choice % (ulong)(_text.Length - length + 1));
        return _text.AsSpan(_cutAtOrBefore[start].._cutAtOrBefore[start + length]);
    }
}
