namespace Sheaf.Redis.Resp;

/// <summary>Growing waits between attempts: 50 ms, doubling to 1 s, each shortened by up to half at random so that clients do not come all at once. A mutable struct.</summary>
internal struct Backoff
{
    private const int FirstMs = 50;
    private const int MostMs = 1000;

    private int _attempts;

    /// <summary>The wait after one more failed attempt.</summary>
    public TimeSpan Next()
    {
        double wait = Math.Min(MostMs, FirstMs * Math.Pow(2, Math.Min(_attempts++, 10)));
        return TimeSpan.FromMilliseconds(wait * (1 - (Random.Shared.NextDouble() / 2)));
    }

    /// <summary>An attempt has succeeded.</summary>
    public void Reset() => _attempts = 0;
}
