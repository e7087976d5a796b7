using Microsoft.Extensions.Logging;
using Sheaf.Buffering;
using Sheaf.Supervision;

namespace Sheaf;

/// <summary>The buffers that worker processes can share with their parent, by the scheme of their address. Composition, as <see cref="SegmentRun"/> is.</summary>
internal static class WorkerBuffers
{
    /// <inheritdoc cref="OpenWorkerBuffer"/>
    public static ValueTask<ISpanBuffer> OpenAsync(WorkerAssignment assignment, ILoggerFactory logs, CancellationToken cancel)
    {
        // Only the scheme is shown: what follows may hold a password.
        string scheme = assignment.Buffer.Address.Split(':')[0];
        throw new ConfigurationException($"buffer: there is no buffer '{scheme}' that worker processes could share");
    }
}
