using System.Globalization;
using Sheaf.TestKit.Redis;

namespace Sheaf.Load;

/// <summary>What a redis-server says of itself. Stateless.</summary>
internal static class RedisFigures
{
    /// <summary>Its processor time, in seconds.</summary>
    public static async Task<double> CpuAsync(TestRedis client) => await NumberAsync(client, "cpu", "used_cpu_user") + await NumberAsync(client, "cpu", "used_cpu_sys");

    /// <summary>A number of <c>INFO</c>.</summary>
    public static async Task<double> NumberAsync(TestRedis client, string section, string name)
    {
        string text = (await client.AskAsync("INFO", section)).Text();
        return double.Parse(text.Split("\r\n").First(line => line.StartsWith(name + ":", StringComparison.Ordinal))[(name.Length + 1)..], CultureInfo.InvariantCulture);
    }
}
