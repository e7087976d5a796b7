using System.Globalization;
using Microsoft.Extensions.Logging;
using Sheaf.Commands;
using Sheaf.Configuration;
using Sheaf.Kafka;
using Sheaf.Kafka.Progress;

namespace Sheaf;

/// <summary>
/// Everything that a start needs outside of this process, asked side by side with the very calls that a start makes, so that all that is wrong is told at once. Changes nothing. What the
/// options and the files are like is <see cref="PlanBinder"/>'s to say.
/// </summary>
internal static class StartCheck
{
    /// <summary>How long brokers and servers may take: somebody waits for the answer.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    public static async Task<IReadOnlyList<Finding>> RunAsync(ProcessSpansPlan plan, TimeProvider time, CancellationToken cancel)
    {
        int partitions = 1; // where the input's are not known: a progress topic with fewer holds those of several in one
        Finding input = await FindAsync("input", async () =>
        {
            if (plan.KafkaInput is not { Consumer: var consumer }) return plan.Input;
            partitions = (await KafkaInput.OpenAsync(consumer, s_patience, null, time, cancel)).Partitions;
            return string.Create(CultureInfo.InvariantCulture, $"{consumer.Address}: {partitions} partitions, group {consumer.Address.Group}");
        });
        Task<Finding>[] others =
        [
            FindAsync("output", () => OutputAsync(plan, time, cancel)),
            FindAsync("buffer", () => BufferAsync(plan, cancel)),
            FindAsync("dead-letter", () => DeadLettersAsync(plan, time, cancel)),
            .. plan.ProgressOptions() is { } progress ? [FindAsync("progress-topic", () => ProgressAsync(plan, progress, partitions, time, cancel))] : (Task<Finding>[])[],
        ];
        return [input, .. await Task.WhenAll(others)];
    }

    /// <summary>The faults of a start that was refused: the one that it came to, and all others.</summary>
    public static async Task<IReadOnlyList<string>> FaultsAsync(ConfigurationException first, ProcessSpansPlan plan, TimeProvider time, CancellationToken cancel)
    {
        IReadOnlyList<Finding> found = await RunAsync(plan, time, cancel);
        return [.. first.Faults.Concat(found.Where(finding => finding.Kind == FindingKind.Fault).SelectMany(finding => finding.Text.Split('\n'))).Distinct()];
    }

    private static async Task<Finding> FindAsync(string subject, Func<ValueTask<string>> ask)
    {
        try
        {
            return new Finding(subject, FindingKind.Sound, await ask());
        }
        catch (ConfigurationException e)
        {
            return new Finding(subject, FindingKind.Fault, e.Message);
        }
        catch (SheafException e)
        {
            return new Finding(subject, FindingKind.NotChecked, e.Message);
        }
    }

    private static async ValueTask<string> OutputAsync(ProcessSpansPlan plan, TimeProvider time, CancellationToken cancel)
    {
        if (plan.KafkaOutput is not { } to) return plan.Output;
        KafkaOutput found = await KafkaOutput.OpenAsync(to with { StartTimeout = s_patience }, null, time, cancel);
        return string.Create(CultureInfo.InvariantCulture, $"{to.Address}: segments leave in messages of at most {found.MaxSegmentBytes} bytes")
            + string.Concat(found.UnknownLimits.Select(unknown => ". Not checked: " + unknown));
    }

    private static async ValueTask<string> BufferAsync(ProcessSpansPlan plan, CancellationToken cancel)
    {
        if (plan.Buffer is not BufferTarget.Redis redis) return string.Create(CultureInfo.InvariantCulture, $"memory, {plan.MaxBufferBytes} bytes at most");
        await JournalRunBuffer.CheckAsync(plan, redis, s_patience, cancel);
        return $"{redis.Address}: does all that is needed";
    }

    private static async ValueTask<string> DeadLettersAsync(ProcessSpansPlan plan, TimeProvider time, CancellationToken cancel)
    {
        if (plan.DeadLetter is not DeadLetterTarget.Kafka kafka) return plan.DeadLetter is DeadLetterTarget.File file ? file.Path : "none: the first one stops the run";
        KafkaOutputOptions options = plan.DeadLetterTopic(kafka) with { StartTimeout = s_patience };
        await using KafkaDeadLetterSink sink = await KafkaDeadLetterSink.OpenAsync(options, null, time, cancel);
        return options.Address.ToString();
    }

    private static async ValueTask<string> ProgressAsync(
        ProcessSpansPlan plan, KafkaProgressOptions progress, int asMany, TimeProvider time, CancellationToken cancel)
    {
        progress = progress with { StartTimeout = s_patience };
        if (plan.Delivery == DeliveryGuarantee.ExactlyOnce) await KafkaProgress.EnsureSameClusterAsync(progress, plan.KafkaOutput!, null, cancel);
        int? partitions = await KafkaProgress.FindAsync(progress, asMany, null, time, cancel);
        return partitions is { } count
            ? string.Create(CultureInfo.InvariantCulture, $"{progress.Topic}: {count} partitions, compacted") : $"{progress.Topic}: is missing; the start will make it, and may";
    }
}
