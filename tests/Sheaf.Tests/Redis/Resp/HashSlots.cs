using System.Text;
using Sheaf.Redis.Resp;

namespace Sheaf.Tests.Redis.Resp;

public class HashSlots
{
    // As CLUSTER KEYSLOT of Redis 7.0 answers.
    [Theory]
    [InlineData("", 0)]
    [InlineData("123456789", 0x31C3)]
    [InlineData("foo", 12182)]
    [InlineData("bar", 5061)]
    [InlineData("{foo}bar", 12182)]
    [InlineData("x{foo}{bar}", 12182)]
    [InlineData("{}foo", 9500)]
    [InlineData("foo{bar", 15278)]
    [InlineData("foo{{bar}}zap", 4015)]
    public void A_slot_is_what_the_servers_compute(string key, int slot) => Assert.Equal(slot, HashSlot.Of(Encoding.UTF8.GetBytes(key)));
}
