using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Spans;
using Sheaf.Supervision;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Supervision;

/// <summary>A supervisor over scripted workers, on a clock that the test moves. Limits: hang 60 s, start 120 s, backpressure 10 s.</summary>
internal sealed class SupervisedRun
{
    public SupervisedRun(int shards = 6, int workers = 3)
    {
        var plan = ShardPlan.Deal(shards, workers);
        Control = new ControlBlock(plan.Workers.Length, shards);
        Host = new ScriptedHost(Control, Clock);
        Supervisor = new FlusherSupervisor(
            plan, Host, Control, new SupervisionOptions(), Gate, (cause, shard) => Unhealthy.Enqueue((cause, shard.Value)),
            Backpressure.Enqueue, Clock, Log);
    }

    public TestClock Clock { get; } = new();

    public ControlBlock Control { get; }

    public ScriptedHost Host { get; }

    public IntakeGate Gate { get; } = new();

    public ConcurrentQueue<(string Cause, int Shard)> Unhealthy { get; } = new();

    public ConcurrentQueue<string> Backpressure { get; } = new();

    public EventRecorder Log { get; } = new();

    public FlusherSupervisor Supervisor { get; }

    public Task StartAsync() => Supervisor.StartAsync(CancellationToken.None);

    /// <summary>Moves the clock on in small steps, with every worker that is not silent giving signs of life, until the condition holds.</summary>
    public async Task AdvanceUntilAsync(Func<bool> condition, string what) =>
        await Eventually.TrueAsync(condition, what, () => Step(TimeSpan.FromMilliseconds(500)));

    /// <summary>Moves the clock on by <paramref name="by"/>, letting the supervisor look at backpressure after every step.</summary>
    public async Task AdvanceLookByLookAsync(TimeSpan by)
    {
        TimeSpan until = Clock.Now + by;
        while (Clock.Now < until)
        {
            long armings = Clock.Armings;
            Step(TimeSpan.FromMilliseconds(250));
            await Eventually.TrueAsync(() => Clock.Armings > armings, "a look at the workers");
        }
    }

    private void Step(TimeSpan step)
    {
        foreach (ScriptedWorker worker in Host.Alive.Where(worker => !worker.IsSilent)) worker.Beat();
        Clock.Advance(step);
    }

    /// <summary>Writes down which events were logged.</summary>
    internal sealed class EventRecorder : ILogger<FlusherSupervisor>
    {
        public ConcurrentQueue<int> Events { get; } = new();

        public int Count(int eventId) => Events.Count(id => id == eventId);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            Assert.NotEmpty(formatter(state, exception));
            Events.Enqueue(eventId.Id);
        }
    }
}
