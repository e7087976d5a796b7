namespace Sheaf.DeadLetters;

/// <summary>
/// Holds a redrive to so many messages a second: the first may go at once, each later one a share of a second after the one before. Who was held up elsewhere does not catch up. One caller.
/// </summary>
/// <param name="perSecond">0 = no limit.</param>
internal sealed class RedrivePace(int perSecond, TimeProvider time)
{
    private long _begun;
    private TimeSpan _next; // since the beginning

    /// <summary>Waits until so many messages may go together: what follows them waits for as long as all of them take.</summary>
    public async ValueTask WaitAsync(int messages, CancellationToken cancel)
    {
        if (perSecond == 0) return;
        if (_begun == 0) _begun = time.GetTimestamp();
        TimeSpan now = time.GetElapsedTime(_begun);
        if (_next > now) await Task.Delay(_next - now, time, cancel);
        _next = (now > _next ? now : _next) + TimeSpan.FromSeconds((double)messages / perSecond);
    }

    /// <summary>How many go together: about a tenth of a second's, so that a group is small beside the rate.</summary>
    public int GroupSize => perSecond == 0 ? 500 : Math.Clamp(perSecond / 10, 1, 500);
}
