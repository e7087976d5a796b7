using Microsoft.Extensions.Logging;
using Sheaf.Files;
using Sheaf.Flushing;
using Sheaf.Kafka;
using Sheaf.Supervision;

namespace Sheaf;

/// <summary>The output as a worker process opens it. Composition, as <see cref="WorkerBuffers"/> is.</summary>
internal static class WorkerOutputs
{
    /// <exception cref="ConfigurationException">It cannot be opened.</exception>
    public static ISegmentSink Open(WorkerAssignment assignment, ControlBlock control, ILoggerFactory logs, TimeProvider time) =>
        assignment.KafkaOutput is { } kafka
            ? KafkaOutput.Checked(kafka.ToOptions(), kafka.MaxMessageBytes, logs.CreateLogger("Sheaf.Kafka.Output"), time).CreateClient()
            : new JsonLinesSink(OutputPath.Join(assignment.Output, control, time), assignment.WithHeaders);
}
