using Sheaf.Buffering.Memory;
using Xunit;

namespace Sheaf.Tests.Buffering.Memory;

public sealed class PayloadSlabsTests
{
    [Fact]
    public void A_size_class_holds_its_sizes_and_wastes_an_eighth_at_most()
    {
        int before = 0;
        for (int length = 0; length <= 64 << 10; length++)
        {
            int sizeClass = PayloadSlabs.SizeClassOf(length);
            int slot = PayloadSlabs.SlotBytes(sizeClass);
            Assert.True(slot >= length && (length <= 64 || slot <= length * 1.125), $"{length} bytes in a slot of {slot}");
            Assert.InRange(sizeClass, before, before + 1);
            before = sizeClass;
        }
    }

    [Fact]
    public void Payloads_stay_as_they_are_while_others_come_and_go()
    {
        int seed = Random.Shared.Next();
        var random = new Random(seed);
        var slabs = new PayloadSlabs();
        var live = new List<(long Reference, byte[] Payload)>();
        for (int step = 0; step < 20_000; step++)
        {
            if (live.Count > 0 && random.Next(100) < (step / 4000 % 2 == 0 ? 40 : 60))
            {
                int at = random.Next(live.Count);
                AssertStored(live[at]);
                slabs.Release(live[at].Reference);
                live[at] = live[^1];
                live.RemoveAt(live.Count - 1);
            }
            else
            {
                byte[] payload = new byte[random.Next(50) == 0 ? random.Next(200_000) : random.Next(3000)];
                random.NextBytes(payload);
                live.Add((slabs.Store(payload), payload));
            }
        }
        foreach ((long Reference, byte[] Payload) entry in live)
        {
            AssertStored(entry);
            slabs.Release(entry.Reference);
        }
        Assert.Equal(0, slabs.UsedBytes);

        void AssertStored((long Reference, byte[] Payload) entry) =>
            Assert.True(slabs.TryRead(entry.Reference, entry.Payload.Length, out ReadOnlySpan<byte> stored) && stored.SequenceEqual(entry.Payload), $"seed {seed}");
    }

    [Fact]
    public void Memory_of_one_size_serves_another_when_it_is_empty()
    {
        var slabs = new PayloadSlabs();
        long[] small = StoreMany(slabs, 20_000, size: 1000);
        long peak = slabs.AllocatedBytes;
        foreach (long reference in small) slabs.Release(reference);
        StoreMany(slabs, 9_000, size: 2000);
        Assert.Equal(peak, slabs.AllocatedBytes);
    }

    [Fact]
    public void Long_lived_payloads_do_not_pin_the_memory_of_their_neighbours()
    {
        var slabs = new PayloadSlabs();
        long peak = 0;
        for (int round = 0; round < 20; round++)
        {
            long[] stored = StoreMany(slabs, 5_000, size: 1100);
            for (int i = 0; i < stored.Length; i++)
            {
                if (i % 50 != 0) slabs.Release(stored[i]);
            }
            if (round == 0) peak = slabs.AllocatedBytes;
        }
        long kept = 20 * 100 * 1152;
        Assert.InRange(slabs.AllocatedBytes, peak, peak + kept + (1 << 20));
    }

    [Fact]
    public void A_large_payload_gives_its_memory_back()
    {
        var slabs = new PayloadSlabs();
        slabs.Release(slabs.Store(new byte[10]));
        long before = slabs.AllocatedBytes;
        long large = slabs.Store(new byte[12 << 20]);
        Assert.InRange(slabs.AllocatedBytes, before + (12 << 20), before + (12 << 20) + 4096);
        slabs.Release(large);
        Assert.Equal(before, slabs.AllocatedBytes);
        Assert.False(slabs.TryRead(large, 12 << 20, out _));
    }

    private static long[] StoreMany(PayloadSlabs slabs, int count, int size)
    {
        byte[] payload = new byte[size];
        var references = new long[count];
        for (int i = 0; i < count; i++) references[i] = slabs.Store(payload);
        return references;
    }
}
