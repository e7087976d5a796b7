using Sheaf.Ingesting;

namespace Sheaf.Tests.Ingesting;

public class TurnstileTests
{
    [Fact]
    public async Task Tickets_pass_one_at_a_time_in_the_order_of_their_numbers()
    {
        var turnstile = new Turnstile();
        var passed = new List<int>();
        int inside = 0;
        async Task PassAsync(int ticket)
        {
            await Task.Yield();
            await turnstile.EnterAsync(ticket, CancellationToken.None);
            Assert.Equal(1, Interlocked.Increment(ref inside));
            passed.Add(ticket);
            Interlocked.Decrement(ref inside);
            turnstile.Leave();
        }
        int[] tickets = [.. Enumerable.Range(0, 500)];
        new Random(1).Shuffle(tickets);
        await Task.WhenAll(tickets.Select(PassAsync)).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(Enumerable.Range(0, 500), passed);
    }

    [Fact]
    public async Task A_wait_ends_when_it_is_cancelled()
    {
        var turnstile = new Turnstile();
        using var cancel = new CancellationTokenSource();
        ValueTask waiting = turnstile.EnterAsync(1, cancel.Token);
        Assert.False(waiting.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(waiting.AsTask);
    }
}
