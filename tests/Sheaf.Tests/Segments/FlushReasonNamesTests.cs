using Sheaf.Segments;

namespace Sheaf.Tests.Segments;

public class FlushReasonNamesTests
{
    [Fact]
    public void Names_are_frozen() => Assert.Equal(
        ["root_timeout", "idle_timeout", "max_age", "max_bytes", "buffer_full", "shutdown"],
        Enum.GetValues<FlushReason>().Select(reason => reason.Name()));
}
