using System.Text;
using Sheaf.Supervision;
using Xunit;

namespace Sheaf.Tests.Supervision;

public class BoundedLinesTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("a\nb\n", "a|b")]
    [InlineData("a\n\nb", "a||b")]
    [InlineData("12345678\nx\n", "12345678|x")]
    [InlineData("12345678", "12345678")]
    [InlineData("123456789\nx\n", "12345678|x")]
    [InlineData("1234567890123456789012345\nx\n12345678901\ny", "12345678|x|12345678|y")]
    [InlineData("a\n1234567890", "a|12345678")]
    public async Task Lines_are_cut_at_the_limit_however_they_arrive(string text, string expected)
    {
        for (int piece = 1; piece <= 30; piece++)
        {
            var lines = new List<string>();
            await BoundedLines.ReadAsync(new Pieces(Encoding.UTF8.GetBytes(text), piece), 8, line => lines.Add(Encoding.UTF8.GetString(line)), default);
            Assert.Equal(expected, string.Join('|', lines));
        }
    }

    /// <summary>Gives out at most so many bytes at a time.</summary>
    private sealed class Pieces(byte[] bytes, int size) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(size, buffer.Length)], cancellationToken);
    }
}
