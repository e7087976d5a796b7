namespace Sheaf.Telemetry;

/// <summary>
/// Every log event id, in one list so that none is given twice; a range per folder. To add one: take the next free number of the folder's
/// range, name it after what happened, and use it in that component's nested <c>Log</c> class. A retired id stays here with a note.
/// </summary>
public static class EventIds
{
    // Ingesting 1000-1099
    public const int MessagesFarAhead = 1000;
    public const int IntakePausedByFullBuffer = 1001;
    public const int IntakeResumedFromFullBuffer = 1002;
    public const int DeadLettersKept = 1003;
    public const int ShardState = 1004;

    // Flushing 1500-1599
    public const int OutputUnavailable = 1500;
    public const int OutputAvailable = 1501;
    public const int SegmentsCutEarly = 1502;
    public const int SegmentCutsEnded = 1503;
    public const int BatchProduced = 1504;

    // Buffering 1200-1299
    public const int BufferUnavailable = 1200;
    public const int BufferAvailable = 1201;
    public const int BufferLost = 1202;
    public const int BufferMarksLeft = 1203;
    public const int BufferResumed = 1204;
    // 1205 was SpansLost; never used
    public const int BufferLapsed = 1206;
    public const int BufferEmptyAtCommit = 1207;
    public const int BufferDrained = 1208;
    public const int BufferFailed = 1209;
    public const int BufferRestored = 1210;

    // Kafka 1300-1399
    public const int KafkaClient = 1300;
    public const int PartitionAssigned = 1301;
    public const int PartitionReleased = 1302;
    public const int PartitionLost = 1303;
    public const int ReplayMayBePartial = 1304;
    public const int TransactionAborted = 1305;
    public const int KafkaClientError = 1306;
    public const int KafkaAway = 1307;
    public const int KafkaBack = 1308;
    public const int PartitionsNotPaused = 1309;
    public const int OffsetsNotCommitted = 1310;
    public const int HandoverNotCommitted = 1311;
    public const int StartOffsetAwaited = 1312;
    public const int BufferAwaited = 1313;
    public const int GroupHasMembers = 1314;
    public const int ProgressTopicMade = 1315;
    public const int ProgressMissing = 1316;
    public const int OutputLimitUnknown = 1317;
    public const int DeadLetterCut = 1318;
    public const int TopicNotKeyedByTrace = 1319;
    public const int TopicMadeAnew = 1320;
    public const int PartitionIsNew = 1321;

    // Supervision 2000-2099
    public const int WorkersHealthy = 2000;
    public const int WorkerEnded = 2001;
    public const int WorkerHung = 2002;
    public const int WorkerRestarted = 2003;
    public const int RestartsSpent = 2004;
    public const int IntakePausedByBackpressure = 2005;
    public const int IntakeResumedFromBackpressure = 2006;
    public const int WorkersTold = 2007;
    public const int WorkerForced = 2008;
    public const int WorkerNotEnded = 2009;
    public const int ThreadAbandoned = 2010;
    public const int FaultPointsArmed = 2020;
    public const int WorkerStrayLine = 2021;
    public const int WorkerStrayLinesLeftOut = 2022;

    // Configuration and commands 3000-3099
    public const int ConfigurationReloaded = 3000;
    public const int ConfigurationFaulty = 3001;
    public const int ConfigurationNeedsRestart = 3002;
    public const int StopRequested = 3003;
    public const int ConfigurationReadAgain = 3004;
    public const int NothingToReload = 3005;

    // Run 3100-3199
    public const int SegmentLimit = 3100;
    public const int RunStarting = 3101;
    public const int RunStarted = 3102;
    public const int RunGoesOn = 3103;
    public const int RunEnded = 3104;
    public const int RunFailed = 3105;
}
