using System.Reflection;
using Sheaf.Telemetry;
using Xunit;

namespace Sheaf.Tests.Telemetry;

public class EventIdsTests
{
    [Fact]
    public void No_event_id_is_given_twice()
    {
        IEnumerable<FieldInfo> ids = typeof(EventIds).GetFields().Where(field => field.IsLiteral);

        Assert.Empty(ids
            .GroupBy(field => field.GetRawConstantValue())
            .Where(same => same.Count() > 1)
            .Select(same => string.Join(" = ", same.Select(field => field.Name))));
    }
}
