namespace Sheaf.Telemetry;

/// <summary>
/// Ids of log events: one range per folder, so that an alert on an id stays true. A retired id keeps its line, with a note; a number is never used again.
/// </summary>
public static class EventIds
{
    // 3000-3099: configuration and commands
    public const int ConfigurationReloaded = 3000;
    public const int ConfigurationFaulty = 3001;
    public const int ConfigurationNeedsRestart = 3002;
    public const int StopRequested = 3003;
}
