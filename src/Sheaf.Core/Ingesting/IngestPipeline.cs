using Sheaf.Buffering;
using Sheaf.Flushing;
using Sheaf.Spans;

namespace Sheaf.Ingesting;

/// <summary>
/// From the source into the buffer: several lanes read a block each, in turn, parse it side by side, and append it shard by shard in the
/// order in which the blocks were read. So parsing scales over cores, and each shard still sees its input in order.
/// </summary>
/// <remarks>
/// It holds itself back in three ways, none of which drops anything: while the gate is closed, while the buffer is full, and while the flushing of
/// what is due lies too far behind. When it returns, all that was read is appended, a dead letter, or dropped by a rule, and counted.
/// </remarks>
public sealed class IngestPipeline : IDisposable
{
    private const double ResumeLoad = 0.95;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan ShortestRetry = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(1);

    private readonly IngestOptions _options;
    private readonly ISpanSource _source;
    private readonly ISpanAppender _buffer;
    private readonly ControlBlock _control;
    private readonly IngestCounters _counters;
    private readonly IDeadLetterSink _deadLetters;
    private readonly Func<IngestRules> _rules;
    private readonly IntakeGate _gate;
    private readonly Action<ShardId> _clockMoved;
    private readonly TimeProvider _time;
    private readonly Action<FaultPoint>? _faults;
    private readonly Action<SheafException>? _trouble;

    private readonly CancellationTokenSource _impatient; // some time after the stop

    /// <summary>Told of a shard whose messages are in part far ahead of the others, and how far (ms): as often as a block shows it.</summary>
    public Action<ShardId, long>? FarAhead { get; init; }

    private readonly SemaphoreSlim _reading = new(1, 1);
    private readonly ShardIntake[] _intakes;
    private readonly BlockClocks[] _clocksByBlock;
    private long _nextBlock;
    private bool _ended;
    private int _waitingForBuffer;
    private volatile bool _workersHaveEnded;
    private readonly SemaphoreSlim _deadLetterTurn = new(1, 1); // the sink has one writer at a time

    /// <param name="rules">Read once per block, so that a reload takes effect.</param>
    /// <param name="clockMoved">Called when a shard's clock has moved, to wake its worker.</param>
    /// <param name="faults">Called at every <see cref="FaultPoint"/>; null in production.</param>
    /// <param name="trouble">Told why the buffer could not take a batch, each time that it could not; it is tried again.</param>
    public IngestPipeline(
        IngestOptions options, ISpanSource source, ISpanAppender buffer, ControlBlock control, IngestCounters counters,
        IDeadLetterSink deadLetters, Func<IngestRules> rules, IntakeGate gate, Action<ShardId> clockMoved, TimeProvider time,
        Action<FaultPoint>? faults = null, Action<SheafException>? trouble = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Lanes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(options.LeadBlocks, options.Lanes);
        _options = options;
        _source = source;
        _buffer = buffer;
        _control = control;
        _counters = counters;
        _deadLetters = deadLetters;
        _rules = rules;
        _gate = gate;
        _clockMoved = clockMoved;
        _time = time;
        _faults = faults;
        _trouble = trouble;
        _impatient = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        for (int s = 0; s < options.Stored.Count; s++)
        {
            ShardCells cells = control.Shard(new ShardId(s));
            cells.StoredThrough = options.Stored[s].Offset;
            cells.SetClock(options.Stored[s].Clock);
        }
        _intakes = [.. Enumerable.Range(0, options.Shards).Select(s => new ShardIntake(s < options.Stored.Count ? options.Stored[s].Clock : StreamClock.NotStarted))];
        _clocksByBlock = [.. Enumerable.Range(0, options.LeadBlocks).Select(_ => new BlockClocks())];
    }

    /// <summary>Runs until the input ends, or until <paramref name="stop"/>; then what was read is still appended. Runs once.</summary>
    /// <exception cref="SourceException">The input failed.</exception>
    /// <exception cref="RunStoppedException">A limit of the dead letters was reached.</exception>
    /// <exception cref="BufferUnavailableException">It was told to stop while the buffer could not be reached: what was read last is not stored.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        using var abort = new CancellationTokenSource();
        await using CancellationTokenRegistration stopping = stop.Register(() => _impatient.CancelAfter(_options.StopPatience));
        Task[] lanes = [.. Enumerable.Range(0, _options.Lanes).Select(_ => Task.Run(() => RunLaneAsync(abort, stop), CancellationToken.None))];
        try
        {
            await Task.WhenAll(lanes);
            if (_ended) LetClocksReachTheEnd();
        }
        catch
        {
            // The lane that failed first says why; the others were only told to give up.
            foreach (Task lane in lanes)
                if (lane.Exception?.InnerException is { } cause and not OperationCanceledException)
                    System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(cause);
            throw;
        }
    }

    /// <summary>
    /// A group has given this process a shard: from now on blocks that were read under this assignment are taken in. While the pipeline runs; any thread, for one shard one after
    /// the other.
    /// </summary>
    /// <param name="assignment">Positive, and higher than any before.</param>
    /// <param name="stored">What is stored of the shard's input: the blocks begin behind it.</param>
    /// <param name="settled">Messages behind it that are passed over, uncounted.</param>
    public async ValueTask AssignAsync(ShardId shard, long assignment, StoredPosition stored, SettledOffsets settled, CancellationToken cancel)
    {
        ShardIntake intake = _intakes[shard.Value];
        await intake.Owning.WaitAsync(cancel);
        try
        {
            ShardCells cells = _control.Shard(shard);
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(assignment, Math.Abs(cells.Assignment));
            cells.StoredThrough = stored.Offset;
            cells.SetClock(stored.Clock);
            intake.Begin(stored.Clock);
            intake.Settled = settled;
            cells.Assignment = assignment;
        }
        finally
        {
            intake.Owning.Release();
        }
        _clockMoved(shard);
    }

    /// <summary>
    /// The shard goes to another process: returns when nothing of it is stored here any more, and its worker has finished what it had claimed and lets it alone, or has ended. Blocks of
    /// it that were read and not stored are passed over, uncounted. Any thread; a shard that is not here is gone already.
    /// </summary>
    public async ValueTask ReleaseAsync(ShardId shard, CancellationToken cancel)
    {
        ShardIntake intake = _intakes[shard.Value];
        ShardCells cells = _control.Shard(shard);
        // First of all, so that a lane that waits for the buffer gives up.
        if (cells.Assignment > 0) cells.Assignment = -cells.Assignment;
        await intake.Owning.WaitAsync(cancel);
        intake.Owning.Release();
        _clockMoved(shard);
        while (cells.HeldAssignment != cells.Assignment && !_workersHaveEnded) await Task.Delay(Pause, _time, cancel);
    }

    /// <summary>
    /// Nothing has come of a shard for so long: its clock goes on from where its last message has left it. Counts only where all that was read of it is stored, so that the clock passes no
    /// span that is still on its way; does not wait, and takes no part in the way of the blocks. One thread for each shard.
    /// </summary>
    /// <param name="readThrough">The offset of the last message that its source has handed on under this assignment, or before it.</param>
    /// <param name="nowMs">The time of the day, as far as that is to be allowed for: timestamps from before are believed now, since nothing outvotes them.</param>
    public void BeIdle(ShardId shard, long assignment, long readThrough, long idleMs, long nowMs)
    {
        ShardIntake intake = _intakes[shard.Value];
        if (!intake.Owning.Wait(0)) return; // a block of it is being stored, or it comes or goes just now
        try
        {
            ShardCells cells = _control.Shard(shard);
            if (!IsCurrent(assignment, shard) || cells.StoredThrough != readThrough || intake.Clock.Ms == StreamClock.None) return;
            intake.MessageClock = intake.MessageClock.Believe(nowMs);
            StreamClock clock = intake.MessageClock.After(idleMs);
            if (clock.Ms <= intake.Clock.Ms) return;
            intake.Clock = clock;
            cells.SetClock(clock);
        }
        finally
        {
            intake.Owning.Release();
        }
        _clockMoved(shard);
    }

    /// <summary>No worker is left, for certain, and none will be started: nobody has to let a shard go that is released. Any thread.</summary>
    public void NoteWorkersHaveEnded() => _workersHaveEnded = true;

    public void Dispose()
    {
        _reading.Dispose();
        _deadLetterTurn.Dispose();
        foreach (ShardIntake intake in _intakes) intake.Dispose();
        _impatient.Dispose();
    }

    /// <summary>What can end the work of a lane.</summary>
    /// <param name="Abort">Another lane has failed.</param>
    /// <param name="Patience">That, or the run was told to stop some time ago and the buffer, or the output for dead letters, still does not answer.</param>
    /// <param name="Stop">The run was told to stop: nothing more is read, what was read is stored.</param>
    private readonly record struct LaneEnds(CancellationToken Abort, CancellationToken Patience, CancellationToken Stop);

    /// <summary>The input has ended: nothing outvotes any more what its spans say of the time.</summary>
    private void LetClocksReachTheEnd()
    {
        for (int s = 0; s < _options.Shards; s++)
        {
            ShardIntake intake = _intakes[s];
            ShardCells cells = _control.Shard(new ShardId(s));
            if (cells.Assignment != 0 || intake.NewestMs <= intake.Clock.Ms) continue;
            intake.Clock = new StreamClock(intake.NewestMs, intake.Clock.LeaptMs + (intake.NewestMs - intake.Clock.Ms), 0, 0);
            cells.SetClock(intake.Clock);
            _clockMoved(new ShardId(s));
        }
    }

    private static long NewestOf(SpanBatch batch)
    {
        long newest = StreamClock.None;
        foreach (ref readonly TraceSpan span in batch.Spans) newest = Math.Max(newest, span.StreamTimeMs);
        return newest;
    }

    private async Task RunLaneAsync(CancellationTokenSource abort, CancellationToken stop)
    {
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, abort.Token);
            using var patient = CancellationTokenSource.CreateLinkedTokenSource(abort.Token, _impatient.Token);
            var ends = new LaneEnds(abort.Token, patient.Token, stop);
            var lane = new IngestLane(_options, _counters.Scatter);
            while (await ReadAsync(lane, either.Token))
            {
                IngestRules rules = _rules();
                lane.Parse(rules.Drops, lane.Block.Shard is { } shard ? _intakes[shard.Value].Settled : SettledOffsets.None);
                await AppendAsync(lane, rules.DeadLetters, ends);
            }
        }
        catch (SourceException)
        {
            throw; // the other lanes append what was read before
        }
        catch
        {
            await abort.CancelAsync();
            throw;
        }
    }

    /// <summary>Reads the next block when there is room for it. False at the end of the input, or when told to stop.</summary>
    private async ValueTask<bool> ReadAsync(IngestLane lane, CancellationToken cancel)
    {
        try
        {
            await _reading.WaitAsync(cancel);
            try
            {
                if (_ended) return false;
                await _gate.WaitWhilePausedAsync(cancel);
                await WaitForFlushersAsync(cancel);
                await WaitForRoomAsync(cancel);
                if (!await _source.ReadAsync(lane.Block, cancel))
                {
                    _ended = true;
                    return false;
                }
                lane.Number = _nextBlock++;
                (int first, int end) = lane.Shards;
                for (int s = first; s < end; s++) lane.Tickets[s] = _intakes[s].NextTicket++;
                _clocksByBlock[lane.Number % _clocksByBlock.Length].Begin(first, end, lane.Block.Assignment);
                return true;
            }
            catch (SourceException)
            {
                _ended = true;
                throw;
            }
            finally
            {
                _reading.Release();
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return false;
        }
    }

    private async ValueTask AppendAsync(IngestLane lane, DeadLetterLimits limits, LaneEnds ends)
    {
        (int first, int end) = lane.Shards;
        BlockClocks clocks = _clocksByBlock[lane.Number % _clocksByBlock.Length];
        for (int s = first; s < end; s++)
        {
            var shard = new ShardId(s);
            ShardIntake intake = _intakes[s];
            await intake.Turnstile.EnterAsync(lane.Tickets[s], ends.Abort);
            await intake.Owning.WaitAsync(ends.Abort);
            try
            {
                if (IsCurrent(lane.Block.Assignment, shard)) await AppendToShardAsync(lane, shard, limits, ends);
                else ThrowIfRefusedForLong(lane.Block, shard);
            }
            finally
            {
                intake.Owning.Release();
            }
            clocks[s] = _control.Shard(shard).ClockMs;
            intake.Turnstile.Leave();
        }
        clocks.Complete();
    }

    private async ValueTask AppendToShardAsync(IngestLane lane, ShardId shard, DeadLetterLimits limits, LaneEnds ends)
    {
        int s = shard.Value;
        if (s == lane.Shards.First)
        {
            lane.MessagesBefore = _intakes[s].DeadLetters.Begin(lane.Block.Messages.Length, lane.Block.Assignment);
            // Who has no bad message waits for nobody's: an output for dead letters that is away holds up those who need it.
            if (lane.Faults.Count > 0 && !await TryWriteDeadLettersAsync(lane, shard, lane.Faults, limits, ends)) return;
        }
        long through = lane.Block.Messages is [.., { SourceOffset: var last }] ? last : StoredPosition.BeforeFirst.Offset;
        ShardCells cells = _control.Shard(shard);
        ShardIntake intake = _intakes[s];
        SpanBatch batch = lane.Batches[s];
        if (through > StoredThrough(s))
        {
            batch.ClockBefore = intake.Clock;
            StreamClock clock = intake.Clock.Follow(batch, ref intake.FarAhead);
            if (batch.Count > 0) intake.NewestMs = Math.Max(intake.NewestMs, NewestOf(batch));
            if (lane.Settled.Count > 0) batch.Remove(lane.Settled);
            batch.Through = new StoredPosition(through, clock);
            if (!await TryStoreAsync(lane, batch, limits, ends)) return;
            _faults?.Invoke(FaultPoint.AfterAppend);
            _counters.CountStored(shard, batch.Count, lane.Tallies[s].Bytes, lane.Tallies[s].SegmentRoots);
            cells.StoredSpans += batch.Count;
            cells.StoredBytes += lane.Tallies[s].Bytes;
            cells.StoredThrough = through;
            cells.SetClock(clock);
            intake.Clock = intake.MessageClock = clock;
            if (through >= intake.Settled.Highest) intake.Settled = SettledOffsets.None;
            _faults?.Invoke(FaultPoint.AfterClock);
            if (batch.Count > 0) _clockMoved(shard);
            if (intake.FarAhead.TryTake(out long messages, out long mostMs))
            {
                _counters.CountFarAhead(shard, messages);
                FarAhead?.Invoke(shard, mostMs);
            }
        }
        if (lane.Tallies[s].Dropped > 0) _counters.CountDropped(shard, lane.Tallies[s].Dropped, lane.Tallies[s].DroppedBytes);
    }

    /// <summary>Whether what was read under an assignment counts: the assignment holds, and nothing before was left out.</summary>
    private bool IsCurrent(long assignment, ShardId shard) =>
        assignment == 0 || (assignment == _control.Shard(shard).Assignment && assignment != _intakes[shard.Value].GivenUp && _control.Shard(shard).IsOwned);

    private void ThrowIfRefusedForLong(InputBlock block, ShardId shard)
    {
        if (block.Assignment != _control.Shard(shard).Assignment) return;
        ShardIntake intake = _intakes[shard.Value];
        if (intake.RefusedUnder != block.Assignment) (intake.RefusedUnder, intake.RefusedSince) = (block.Assignment, _time.GetTimestamp());
        else if (_time.GetElapsedTime(intake.RefusedSince) >= _options.RefusalPatience)
            throw new ClaimLapsedException($"{_source.Name}: shard {shard} is this instance's, says its group, and another one has taken it in the buffer and does not let it go: start again. Nothing is lost; what was read of it since is read again");
    }

    private long StoredThrough(int shard) => shard < _options.Stored.Count ? _options.Stored[shard].Offset : StoredPosition.BeforeFirst.Offset;

    /// <summary>
    /// Appends a batch, trying until the buffer takes it: the input waits meanwhile, and nothing is dropped. False where that ends because the shard went to somebody else, or
    /// because the run was told to stop and somebody else will read the block again.
    /// </summary>
    private async ValueTask<bool> TryStoreAsync(IngestLane lane, SpanBatch batch, DeadLetterLimits limits, LaneEnds ends)
    {
        InputBlock block = lane.Block;
        TimeSpan delay = ShortestRetry;
        while (true)
        {
            try
            {
                await _buffer.AppendAsync(batch, ends.Patience);
                return true;
            }
            catch (OperationCanceledException e) when (!ends.Abort.IsCancellationRequested)
            {
                if (block.Assignment > 0)
                {
                    _intakes[batch.Shard.Value].GivenUp = block.Assignment; // whoever has the shard next reads it again
                    return false;
                }
                throw new BufferUnavailableException(
                    $"told to stop, and the buffer has not answered for {_options.StopPatience.TotalSeconds} s: what was read last is not stored", e);
            }
            catch (BufferUnavailableException e) when (!ends.Stop.IsCancellationRequested || block.Assignment > 0)
            {
                _trouble?.Invoke(e);
                if (ends.Stop.IsCancellationRequested) _intakes[batch.Shard.Value].GivenUp = block.Assignment; // what follows it must not be stored without it
                if (!IsCurrent(block.Assignment, batch.Shard)) return false;
                await (e.IsFull ? WaitWhileFullAsync(delay, ends.Abort) : WaitWhileUnavailableAsync(delay, ends.Abort));
                delay = delay < LongestRetry ? 2 * delay : LongestRetry;
                if (!IsCurrent(block.Assignment, batch.Shard)) return false;
            }
            catch (SpanTooLargeException e)
            {
                (int message, SpanFault fault) = lane.TakeOut(batch, e.SourceOffset);
                if (!await TryWriteDeadLettersAsync(lane, batch.Shard, [(message, fault)], limits, ends)) return false;
            }
            catch (ClaimLapsedException e) when (block.Assignment > 0)
            {
                // Another process was given the shard, and this one will be told. What was read of it is not stored, and so not counted: the other one reads it.
                _trouble?.Invoke(e);
                _intakes[batch.Shard.Value].GivenUp = block.Assignment;
                return false;
            }
        }
    }

    private async ValueTask WaitWhileUnavailableAsync(TimeSpan delay, CancellationToken abort)
    {
        // Several lanes may wait at once, for different shards.
        if (Interlocked.Increment(ref _waitingForBuffer) == 1) _gate.Pause(PauseReasons.BufferUnavailable);
        try
        {
            await Task.Delay(delay, _time, abort);
        }
        finally
        {
            if (Interlocked.Decrement(ref _waitingForBuffer) == 0) _gate.Resume(PauseReasons.BufferUnavailable);
        }
    }

    /// <summary>Waits for what is due to leave; where nothing is, the oldest has to: the clock stands while this batch waits.</summary>
    private async ValueTask WaitWhileFullAsync(TimeSpan delay, CancellationToken abort)
    {
        _gate.Pause(PauseReasons.BufferFull);
        if (_options.OnBufferFull == BufferFullPolicy.FlushOldest || NothingIsDue()) FlushOldest(true);
        try
        {
            await Task.Delay(delay, _time, abort);
        }
        finally
        {
            FlushOldest(false);
            _gate.Resume(PauseReasons.BufferFull);
        }
    }

    /// <summary>False where the run was told to stop, they cannot be written, and somebody else will read the block again.</summary>
    private async ValueTask<bool> TryWriteDeadLettersAsync(
        IngestLane lane, ShardId shard, IReadOnlyList<(int Message, SpanFault Fault)> faults, DeadLetterLimits limits, LaneEnds ends)
    {
        try
        {
            await WriteDeadLettersAsync(lane, shard, faults, limits, ends.Patience);
            return true;
        }
        catch (OperationCanceledException e) when (!ends.Abort.IsCancellationRequested)
        {
            if (lane.Block.Assignment > 0)
            {
                _intakes[shard.Value].GivenUp = lane.Block.Assignment; // whoever has the shard next reads it again
                return false;
            }
            throw new SinkException(
                $"told to stop, and the dead letters could not be written for {_options.StopPatience.TotalSeconds} s: what was read last is not stored", e);
        }
    }

    private async ValueTask WriteDeadLettersAsync(
        IngestLane lane, ShardId shard, IReadOnlyList<(int Message, SpanFault Fault)> faults, DeadLetterLimits limits, CancellationToken cancel)
    {
        DeadLetterTally tally = _intakes[lane.Shards.First].DeadLetters;
        var letters = new List<DeadLetter>(faults.Count);
        string? excess = null;
        for (int i = 0; i < faults.Count && excess is null; i++)
        {
            (int index, SpanFault fault) = faults[i];
            InputMessage message = lane.Block.Messages[index];
            letters.Add(new DeadLetter(fault, _source.Name, shard, message.SourceOffset, lane.Block.Buffer.Slice(message.Start, message.Length)));
            excess = tally.CountBad(lane.MessagesBefore + index + 1, limits);
        }
        await _deadLetterTurn.WaitAsync(cancel);
        try
        {
            await _deadLetters.WriteAsync(letters, cancel);
        }
        finally
        {
            _deadLetterTurn.Release();
        }
        foreach (DeadLetter letter in letters) _counters.CountDeadLetter(shard, letter.Fault.Kind, letter.Message.Length);
        if (excess is null) return;
        string place = lane.Block.Shard is null ? _source.Name : $"partition {shard} of {_source.Name}";
        throw new RunStoppedException($"{place}: {excess}. The last one, at {letters[^1].SourceOffset}: {letters[^1].Fault.Describe(letters[^1].Message.Span)}");
    }

    /// <summary>Holds the input while what became due some blocks ago is still waiting to be flushed.</summary>
    private async ValueTask WaitForFlushersAsync(CancellationToken cancel)
    {
        BlockClocks clocks = _clocksByBlock[_nextBlock % _clocksByBlock.Length];
        while (!clocks.IsComplete) await Task.Delay(Pause, _time, cancel);
        for (int s = clocks.First; s < clocks.End; s++)
        {
            while (IsHere(s) && _control.Shard(new ShardId(s)).FlushedThroughMs < clocks[s])
                await Task.Delay(Pause, _time, cancel);
        }

        bool IsHere(int shard) => _control.Shard(new ShardId(shard)) is var cells && cells.Assignment == clocks.Assignment && cells.IsOwned;
    }

    private async ValueTask WaitForRoomAsync(CancellationToken cancel)
    {
        if (await _buffer.LoadAsync(cancel) < 1) return;
        _gate.Pause(PauseReasons.BufferFull);
        try
        {
            while (await _buffer.LoadAsync(cancel) >= ResumeLoad)
            {
                // While the input waits its clock stands still. Once all that is due has left, waiting longer would never help.
                if (_options.OnBufferFull == BufferFullPolicy.FlushOldest || NothingIsDue()) FlushOldest(true);
                await Task.Delay(Pause, _time, cancel);
            }
        }
        finally
        {
            FlushOldest(false);
            _gate.Resume(PauseReasons.BufferFull);
        }
    }

    private bool NothingIsDue()
    {
        for (int s = 0; s < _options.Shards; s++)
        {
            ShardCells cells = _control.Shard(new ShardId(s));
            if (cells.IsOwned && cells.FlushedThroughMs < cells.ClockMs) return false;
        }
        return true;
    }

    private void FlushOldest(bool value)
    {
        for (int s = 0; s < _options.Shards; s++)
        {
            ShardCells cells = _control.Shard(new ShardId(s));
            if (cells.FlushOldest == value) continue;
            cells.FlushOldest = value;
            _clockMoved(new ShardId(s));
        }
    }

    /// <summary>The way into one shard.</summary>
    private sealed class ShardIntake(StreamClock clock) : IDisposable
    {
        private volatile SettledOffsets _settled = SettledOffsets.None;

        /// <summary>
        /// What is passed over. Of a block of an earlier assignment it may be what belongs to a later one: that block is left out as a whole. Any thread; set by the holder of
        /// <see cref="Owning"/>.
        /// </summary>
        public SettledOffsets Settled
        {
            get => _settled;
            set => _settled = value;
        }

        /// <summary>Blocks pass it in the order of reading.</summary>
        public Turnstile Turnstile { get; } = new();

        /// <summary>The ticket of the next block. Owned by the lane that reads.</summary>
        public long NextTicket { get; set; }

        /// <summary>Held while something is stored, and while the shard comes to this process.</summary>
        public SemaphoreSlim Owning { get; } = new(1, 1);

        /// <summary>What the clock has come to. Owned by the holder of <see cref="Owning"/>.</summary>
        public StreamClock Clock { get; set; } = clock;

        /// <summary>The clock behind the last block with messages: an idle shard's clock goes on from there. Owned by the holder of <see cref="Owning"/>.</summary>
        public StreamClock MessageClock { get; set; } = clock;

        /// <summary>The latest stream time of a span. Owned by the holder of <see cref="Owning"/>.</summary>
        public long NewestMs { get; set; } = clock.Ms;

        /// <summary>Owned by the holder of <see cref="Owning"/>.</summary>
        public FarAheadMessages FarAhead;

        /// <summary>Of a file, whose shards share their input, that of the first shard counts. Owned by the holder of <see cref="Owning"/>.</summary>
        public DeadLetterTally DeadLetters { get; } = new();

        /// <summary>The assignment of which a block was left out. Owned by the holder of <see cref="Owning"/>.</summary>
        public long GivenUp { get; set; }

        /// <summary>The assignment under which blocks were passed over although it holds. Owned by the holder of <see cref="Owning"/>.</summary>
        public long RefusedUnder { get; set; }

        /// <summary>Since when, as a timestamp. Owned by the holder of <see cref="Owning"/>.</summary>
        public long RefusedSince { get; set; }

        /// <summary>The shard begins anew, with this clock.</summary>
        public void Begin(StreamClock at) => (Clock, MessageClock, NewestMs, FarAhead) = (at, at, at.Ms, default);

        public void Dispose() => Owning.Dispose();
    }

    /// <summary>
    /// Where the clocks of a block's shards stood behind it. Owner: the reading lane until it is begun, then the block's until it is complete, then whoever reads on when the
    /// input is as many blocks ahead as it may be.
    /// </summary>
    private sealed class BlockClocks
    {
        private long[] _clocks = [];
        private volatile bool _isComplete = true;

        public int First { get; private set; }

        public int End { get; private set; }

        public long Assignment { get; private set; }

        public bool IsComplete => _isComplete;

        public long this[int shard]
        {
            get => _clocks[shard - First];
            set => _clocks[shard - First] = value;
        }

        public void Begin(int first, int end, long assignment)
        {
            _isComplete = false;
            if (_clocks.Length < end - first) _clocks = new long[end - first];
            (First, End, Assignment) = (first, end, assignment);
        }

        public void Complete() => _isComplete = true;
    }
}

/// <summary>What of the ingest side can change while it runs. Immutable; swapped as a whole.</summary>
public sealed record IngestRules(DropRules Drops, DeadLetterLimits DeadLetters);
