using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Sheaf.Configuration;
using Sheaf.DeadLetters;
using Sheaf.Spans;

namespace Sheaf.Commands;

/// <summary><c>sheaf dlq list</c>.</summary>
internal static class DlqListCommand
{
    public const string Name = "list";

    public static Command Create(CommandHost host)
    {
        var command = new Command(Name, "List dead letters, a line each, and count them by reason. Nothing is changed.");
        var options = new CommandLineLayer(command, DlqOptionTable.List);
        command.SetAction((parsed, _) => DlqCommand.RunAsync(host, Name, DlqOptionTable.List, options.Read(parsed), _ => [], RunAsync));
        return command;
    }

    private static async Task<int> RunAsync(DlqContext context)
    {
        LetterFilter filter = DlqCommand.FilterOf(context);
        long limit = context.Options.Get(DlqOptionTable.Limit);
        bool asJson = context.Options.Get(DlqOptionTable.Json);
        var counts = new LetterCounts();
        await using ILetterSource letters = await DlqCommand.OpenAsync(context);
        if (!asJson) await context.Host.Out.WriteAsync(LetterText.Heading + "\n");
        while (!counts.IsAt(limit) && await letters.ReadAsync(context.Stop) is { Count: > 0 } read)
        {
            foreach (KeptLetter letter in read.Where(filter.Matches))
            {
                if (counts.IsAt(limit)) break;
                counts.Add(letter);
                await context.Host.Out.WriteAsync((asJson ? LetterText.Json(letter) : LetterText.Line(letter)) + "\n");
            }
        }
        await context.Host.Out.WriteAsync((asJson ? counts.Json() : counts.Text(limit)) + "\n");
        return ExitCode.Done;
    }

    /// <summary>Letters by reason.</summary>
    private sealed class LetterCounts
    {
        private readonly SortedDictionary<string, long> _byReason = new(StringComparer.Ordinal);
        private long _letters;
        private long _bytes;

        public bool IsAt(long limit) => limit > 0 && _letters >= limit;

        public void Add(KeptLetter letter)
        {
            _letters++;
            _bytes += letter.Message.Length;
            _byReason[letter.Reason] = _byReason.GetValueOrDefault(letter.Reason) + 1;
        }

        public string Text(long limit)
        {
            var text = new StringBuilder();
            text.Append(CultureInfo.InvariantCulture, $"\n{_letters:N0} dead letters, {ByteText.Of(_bytes)}");
            if (IsAt(limit)) text.Append(CultureInfo.InvariantCulture, $" (--limit {limit}; there may be more)");
            foreach ((string reason, long count) in _byReason.OrderByDescending(r => r.Value))
                text.Append(CultureInfo.InvariantCulture, $"\n  {(reason.Length == 0 ? "(no reason)" : PrintableText.Of(reason)),-20} {count,12:N0}");
            return text.ToString();
        }

        public string Json()
        {
            using var buffer = new MemoryStream();
            using (var json = new Utf8JsonWriter(buffer))
            {
                json.WriteStartObject();
                json.WriteNumber("letters", _letters);
                json.WriteNumber("bytes", _bytes);
                json.WriteStartObject("by_reason");
                foreach ((string reason, long count) in _byReason) json.WriteNumber(reason, count);
                json.WriteEndObject();
                json.WriteEndObject();
            }
            return Encoding.UTF8.GetString(buffer.ToArray());
        }
    }
}
