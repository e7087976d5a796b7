using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Sheaf.Redis.Resp;

namespace Sheaf.Tests.Redis.Resp;

/// <summary>
/// A server in this process that answers each command as it is told; the greeting it answers by itself, in RESP3. Whoever starts one disposes it.
/// </summary>
internal sealed class FakeServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<string[], string?> _answer;
    private readonly Func<int>? _piece;
    private readonly Task _accepting;
    private int _connections;

    /// <param name="answer">The bytes that answer a command's words; null closes the connection.</param>
    /// <param name="piece">The length of the next piece that is sent by itself; null: all at once.</param>
    public FakeServer(Func<string[], string?> answer, Func<int>? piece = null)
    {
        _answer = answer;
        _piece = piece;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Connections so far.</summary>
    public int Connections => Volatile.Read(ref _connections);

    public ValueTask<RedisClient> ConnectAsync(RedisClientOptions? options = null, string scheme = "redis")
    {
        Assert.True(RedisAddress.TryParse($"{scheme}://127.0.0.1:{Port}", out RedisAddress? address, out _));
        return RedisClient.ConnectAsync(address, options ?? new RedisClientOptions(), default);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var serving = new List<Task>();
        try
        {
            while (true)
            {
                Socket socket = await _listener.AcceptSocketAsync(_stop.Token);
                socket.NoDelay = true;
                Interlocked.Increment(ref _connections);
                serving.Add(ServeAsync(socket));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using Socket mine = socket;
        byte[] room = new byte[1 << 16];
        int length = 0;
        try
        {
            while (await socket.ReceiveAsync(room.AsMemory(length), _stop.Token) is > 0 and var count)
            {
                length += count;
                int at = 0;
                var answers = new StringBuilder();
                bool isOver = false;
                while (!isOver && TryReadCommand(room.AsSpan(0, length), ref at) is { } words)
                {
                    string? answer = words[0] == "HELLO" ? "%1\r\n+proto\r\n:3\r\n" : words[0] == "PING" && words.Length == 1 ? "+PONG\r\n" : _answer(words);
                    isOver = answer is null;
                    answers.Append(answer);
                }
                room.AsSpan(at, length - at).CopyTo(room);
                length -= at;
                ReadOnlyMemory<byte> bytes = Encoding.Latin1.GetBytes(answers.ToString());
                while (!bytes.IsEmpty)
                {
                    int size = Math.Min(bytes.Length, _piece?.Invoke() ?? int.MaxValue);
                    await socket.SendAsync(bytes[..size], _stop.Token);
                    bytes = bytes[size..];
                }
                if (isOver) return;
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // the client has gone, or the test is over
        }
    }

    private static string[]? TryReadCommand(ReadOnlySpan<byte> bytes, ref int at)
    {
        int here = at;
        if (ReadNumber(bytes, ref here) is not { } count) return null;
        var words = new string[count];
        for (int i = 0; i < count; i++)
        {
            if (ReadNumber(bytes, ref here) is not { } length || here + length + 2 > bytes.Length) return null;
            words[i] = Encoding.Latin1.GetString(bytes.Slice(here, length));
            here += length + 2;
        }
        at = here;
        return words;
    }

    private static int? ReadNumber(ReadOnlySpan<byte> bytes, ref int at)
    {
        int end = bytes[at..].IndexOf("\r\n"u8);
        if (end < 0) return null;
        if (!Utf8Parser.TryParse(bytes[(at + 1)..(at + end)], out int number, out _)) throw new FormatException("no command of the client");
        at += end + 2;
        return number;
    }
}
