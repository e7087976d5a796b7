using Sheaf.Journals;
using Sheaf.TestKit.Journals;

namespace Sheaf.Tests.Journals;

/// <summary>The model that journals are compared with keeps the contract itself.</summary>
public sealed class ModelJournalTests : JournalContract
{
    private readonly ModelJournal _journal = new(Origin);

    protected override ValueTask<IJournal> OpenAsync() => new(_journal);
}
