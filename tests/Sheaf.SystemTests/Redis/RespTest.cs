using System.Text;
using Sheaf.Redis.Resp;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis;

/// <summary>What the tests of the client share: short ways to say commands and to read replies.</summary>
internal static class RespTest
{
    public static RedisClientOptions Options { get; } = new() { OperationTimeout = TimeSpan.FromSeconds(30), ConnectTimeout = TimeSpan.FromSeconds(10) };

    public static RedisAddress Address(string text) =>
        RedisAddress.TryParse(text, out RedisAddress? address, out string? problem) ? address : throw new InvalidOperationException(problem);

    public static ValueTask<RedisClient> ConnectAsync(string address, RedisClientOptions? options = null) =>
        RedisClient.ConnectAsync(Address(address), options ?? Options, default);

    public static ValueTask<RedisClient> ConnectAsync(RedisServer server, RedisClientOptions? options = null) => ConnectAsync(server.Uri, options);

    /// <summary>A command whose second word is its key.</summary>
    public static RespBatch With(this RespBatch batch, params string[] words)
    {
        batch.Begin(words.Length, words.Length > 1 ? HashSlot.Of(Encoding.UTF8.GetBytes(words[1])) : HashSlot.Any);
        foreach (string word in words) batch.Add(Encoding.UTF8.GetBytes(word));
        return batch;
    }

    /// <summary>Executes one command; its reply lives as long as nothing else is done with the batch inside.</summary>
    public static async Task<RespReply> AskAsync(this RedisClient client, params string[] words)
    {
        RespBatch batch = new RespBatch().With(words);
        await client.ExecuteAsync(batch, default);
        return batch.Reply(0);
    }

    public static string Text(this RespReply reply) => Encoding.UTF8.GetString(reply.Bytes);
}
