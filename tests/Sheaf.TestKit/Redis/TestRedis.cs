using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Sheaf.Redis;

namespace Sheaf.TestKit.Redis;

/// <summary>A plain connection to one server, to look at it and to disturb it: one command after the other. Not the product's client, so that both cannot be wrong alike.</summary>
public sealed class TestRedis : IAsyncDisposable
{
    private readonly Stream _stream;
    private readonly byte[] _room = new byte[1 << 16];
    private int _at;
    private int _end;

    private TestRedis(Stream stream) => _stream = stream;

    /// <summary>Connects to a server by its own address; of a cluster's or a sentinel's, to the first node that is named.</summary>
    public static async Task<TestRedis> ConnectAsync(RedisAddress address)
    {
        (string host, int port) = address switch
        {
            RedisAddress.Standalone one => (one.Server.Host, one.Server.Port),
            RedisAddress.Cluster cluster => (cluster.Seeds[0].Host, cluster.Seeds[0].Port),
            RedisAddress.Sentinel sentinel => (sentinel.Sentinels[0].Host, sentinel.Sentinels[0].Port),
            _ => ("", 0),
        };
        Socket socket = address is RedisAddress.UnixSocket
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (address is RedisAddress.UnixSocket at) await socket.ConnectAsync(new UnixDomainSocketEndPoint(at.Path));
        else await socket.ConnectAsync(host, port);
        Stream stream = new NetworkStream(socket, ownsSocket: true);
        if (address.Tls is not null)
        {
            var tls = new SslStream(stream, leaveInnerStreamOpen: false);
            var trusted = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            trusted.CustomTrustStore.ImportFromPemFile(address.Tls.CaFile);
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", CertificateChainPolicy = trusted });
            stream = tls;
        }
        var redis = new TestRedis(stream);
        if (address.Password == "") return redis;
        TestReply reply = address.User == "" ? await redis.AskAsync("AUTH", address.Password) : await redis.AskAsync("AUTH", address.User, address.Password);
        if (reply.IsError) throw new InvalidOperationException(reply.Text());
        return redis;
    }

    /// <summary>A command and its reply, which may be an error.</summary>
    public async Task<TestReply> AskAsync(params string[] words)
    {
        var command = new MemoryStream();
        command.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"*{words.Length}\r\n")));
        foreach (byte[] word in words.Select(Encoding.UTF8.GetBytes))
        {
            command.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"${word.Length}\r\n")));
            command.Write(word);
            command.Write("\r\n"u8);
        }
        await _stream.WriteAsync(command.GetBuffer().AsMemory(0, (int)command.Length));
        return await ReadAsync();
    }

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private async Task<TestReply> ReadAsync()
    {
        string line = await LineAsync();
        switch (line[0])
        {
            case '$':
                int length = int.Parse(line.AsSpan(1), CultureInfo.InvariantCulture);
                if (length < 0) return new TestReply('_', [], []);
                byte[] bytes = new byte[length];
                for (int i = 0; i < length; i++) bytes[i] = await ByteAsync();
                await LineAsync();
                return new TestReply('$', bytes, []);
            case '*':
                int count = int.Parse(line.AsSpan(1), CultureInfo.InvariantCulture);
                if (count < 0) return new TestReply('_', [], []);
                var children = new List<TestReply>();
                for (int i = 0; i < count; i++) children.Add(await ReadAsync());
                return new TestReply('*', [], children);
            default:
                return new TestReply(line[0], Encoding.UTF8.GetBytes(line[1..]), []);
        }
    }

    private async ValueTask<string> LineAsync()
    {
        var line = new List<byte>();
        while (line is not [.., (byte)'\r', (byte)'\n']) line.Add(await ByteAsync());
        return Encoding.UTF8.GetString([.. line[..^2]]);
    }

    private async ValueTask<byte> ByteAsync()
    {
        if (_at == _end)
        {
            (_at, _end) = (0, await _stream.ReadAsync(_room));
            if (_end == 0) throw new IOException("the server has closed the connection");
        }
        return _room[_at++];
    }
}

/// <summary>A reply of a server. Immutable.</summary>
public sealed class TestReply(char kind, byte[] bytes, IReadOnlyList<TestReply> children)
{
    public bool IsError => kind == '-';

    public bool IsNull => kind == '_';

    public byte[] Bytes => bytes;

    public IReadOnlyList<TestReply> Children => children;

    public int Count => children.Count;

    public long Number => long.Parse(Text(), CultureInfo.InvariantCulture);

    public string Text() => Encoding.UTF8.GetString(bytes);
}
