using Xunit;

namespace Sheaf.TestKit;

/// <summary>Waits for what other threads bring about.</summary>
public static class Eventually
{
    /// <summary>In real time; only a failing test takes that long. What takes a second may take a minute on a machine that is busy.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>Returns when the condition holds; fails the test when it does not come to.</summary>
    /// <param name="nudge">Done before each further look.</param>
    /// <param name="state">What to say besides, as it is at the failure.</param>
    public static async Task TrueAsync(Func<bool> condition, string what, Action? nudge = null, Func<string>? state = null)
    {
        long begun = TimeProvider.System.GetTimestamp();
        for (int look = 0; !condition(); look++)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(begun) < Patience, $"Waited in vain for {what}. {state?.Invoke()}");
            nudge?.Invoke();
            if (look < 200) await Task.Yield();
            else await Task.Delay(look < 400 ? 1 : 10);
        }
    }

    /// <summary>Asks again and again, and returns when an answer is as it should be; fails the test when none comes to.</summary>
    public static async Task TrueAsync<T>(Func<Task<T>> ask, Func<T, bool> condition, string what)
    {
        long begun = TimeProvider.System.GetTimestamp();
        while (await ask() is var answer && !condition(answer))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(begun) < Patience, $"Waited in vain for {what}; it is {answer}.");
            await Task.Delay(10);
        }
    }

    /// <summary>Returns when the task has completed, whatever its result; fails the test when it does not come to.</summary>
    public static Task CompletedAsync(Task task, string what) => TrueAsync(() => task.IsCompleted, what);
}
