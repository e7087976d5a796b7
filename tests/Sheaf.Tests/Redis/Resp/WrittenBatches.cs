using System.Text;
using Sheaf.Redis.Resp;
using Sheaf.TestKit;

namespace Sheaf.Tests.Redis.Resp;

public class WrittenBatches
{
    private readonly RespBatch _batch = new();

    [Fact]
    public void Commands_are_written_as_arrays_of_strings()
    {
        _batch.Begin(3, 0);
        _batch.Add("SET"u8);
        _batch.Add("k\r\n"u8);
        _batch.Add(long.MinValue);
        _batch.Begin(2, HashSlot.Any);
        _batch.Add("ECHO"u8);
        "abc"u8.CopyTo(_batch.AddUninitialized(3));
        _batch.Begin(1, 0);
        _batch.Add(default(ReadOnlySpan<byte>));
        Assert.Equal(3, _batch.Count);
        Assert.Equal("*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$20\r\n-9223372036854775808\r\n*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n*1\r\n$0\r\n\r\n", Encoding.ASCII.GetString(_batch.Bytes.Span));
        _batch.Clear();
        Assert.Equal((0, 0), (_batch.Count, _batch.Length));
    }

    [Fact]
    public void A_command_has_exactly_its_words()
    {
        Assert.Throws<InvalidOperationException>(() => _batch.Add("x"u8));
        Assert.Throws<ArgumentOutOfRangeException>(() => _batch.Begin(0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => _batch.Begin(1, HashSlot.Count));
        _batch.Begin(2, 0);
        _batch.Add("GET"u8);
        Assert.Throws<InvalidOperationException>(() => _batch.Begin(1, 0));
        Assert.Throws<InvalidOperationException>(_batch.BeginExecution);
        _batch.Add("k"u8);
        Assert.Throws<InvalidOperationException>(() => _batch.Add("x"u8));
        _batch.BeginExecution();
        Assert.Throws<InvalidOperationException>(_batch.BeginExecution);
        Assert.Throws<InvalidOperationException>(_batch.Clear);
        _batch.EndExecution();
        Assert.Throws<InvalidOperationException>(() => _batch.Reply(0));
    }

    [Fact]
    public void A_transaction_has_one_slot_and_an_end()
    {
        Add("multi", 7);
        Assert.Throws<InvalidOperationException>(() => _batch.Begin(1, 8));
        Add("DEL", 7);
        Assert.Throws<InvalidOperationException>(_batch.BeginExecution);
        Add("Exec", 7);
        Add("PING", 8);
        Assert.Equal([3, 1, 1, 1], Enumerable.Range(0, 4).Select(i => _batch.Command(i).UnitLength));
        _batch.BeginExecution();
    }

    [Fact]
    public void Nothing_is_allocated_per_command_once_the_room_is_there()
    {
        byte[] value = new byte[1000];
        Assert.InRange(Garbage.Of(() =>
        {
            for (int i = 0; i < 20; i++) Fill();
        }), 0, 1000);

        void Fill()
        {
            _batch.Clear();
            for (int i = 0; i < 1000; i++)
            {
                _batch.Begin(3, 0);
                _batch.Add("SET"u8);
                _batch.Add(i);
                _batch.Add(value);
            }
        }
    }

    private void Add(string command, int slot)
    {
        _batch.Begin(1, slot);
        _batch.Add(Encoding.ASCII.GetBytes(command));
    }
}
