using Sheaf.Journals;
using Sheaf.TestKit.Journals;

namespace Sheaf.Tests.Journals;

/// <summary>The model keeps the contract that it is the measure of.</summary>
public sealed class ModelJournalTests : JournalContract, IAsyncDisposable
{
    private readonly ModelJournal _journal = new(Origin);

    public ValueTask DisposeAsync() => _journal.DisposeAsync();

    protected override int ModelRuns => 100;

    protected override JournalServer Server => new(
        () =>
        {
            _journal.Save(Zero);
            return Task.CompletedTask;
        },
        () =>
        {
            _journal.Restore(Zero);
            return Task.CompletedTask;
        });

    protected override ValueTask<IJournal> OpenAsync() => new(_journal);
}
