using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Sheaf.Configuration;
using Sheaf.Telemetry;

namespace Sheaf.Commands;

/// <summary>
/// SIGHUP: reads the configuration file again, as daemons do. The runtime would end the process at once instead, and nothing would be handed over. A terminal that closes sends it too: the
/// run goes on.
/// </summary>
/// <param name="watcher">Null: there is no file.</param>
internal sealed partial class ReloadSignal(ConfigurationWatcher? watcher, ILogger log) : IDisposable
{
    private PosixSignalRegistration? _registration;

    /// <summary>Listens from now on, instead of the runtime.</summary>
    public void Register() => _registration = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
    {
        context.Cancel = true;
        Receive();
    });

    /// <summary>What the signal does.</summary>
    public void Receive()
    {
        if (watcher is null) Log.NothingToReload(log);
        else watcher.LookAsAsked();
    }

    public void Dispose() => _registration?.Dispose();

    private static partial class Log
    {
        [LoggerMessage(EventIds.NothingToReload, LogLevel.Warning, "SIGHUP: there is no configuration file to read again (--config names one). Nothing has changed; the run goes on")]
        public static partial void NothingToReload(ILogger log);
    }
}
