using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Globalization;

namespace Sheaf.Redis.Resp;

/// <summary>Asks sentinels where a service's primary is. Owner: the pool of the service, one question at a time.</summary>
internal sealed class SentinelLocator
{
    private readonly RedisAddress.Sentinel _address;
    private readonly RedisClientOptions _options;
    private readonly Handshake _handshake;
    private readonly List<HostPort> _sentinels; // the one that answered last in front
    private readonly RespBatch _question = new();
    private readonly ReplySet _replies = new();

    public SentinelLocator(RedisAddress.Sentinel address, RedisClientOptions options, TlsCredentials? tls)
    {
        _address = address;
        _options = options;
        _sentinels = [.. address.Sentinels];
        _handshake = new Handshake(new ConnectionSettings
        {
            Options = options with { Scripts = [] },
            Place = address.RedactedText,
            User = address.SentinelUser,
            Password = address.SentinelPassword,
            Tls = tls,
        });
        _question.Begin(3, HashSlot.Any);
        _question.Add("SENTINEL"u8);
        _question.Add("GET-MASTER-ADDR-BY-NAME"u8);
        _question.Add(Encoding.UTF8.GetBytes(address.Service));
    }

    /// <summary>Where the primary is, by the first sentinel that knows.</summary>
    /// <exception cref="RedisUnavailableException">No sentinel answers.</exception>
    /// <exception cref="RedisRefusedException">A sentinel turns us away, or no sentinel that answers knows the service.</exception>
    public async ValueTask<DnsEndPoint> FindAsync(CancellationToken cancel)
    {
        var silent = new List<string>();
        RedisRefusedException? refusal = null;
        // A sentinel that hangs must leave time for the others, and for the primary.
        TimeSpan share = _options.ConnectTimeout / (_sentinels.Count + 1);
        for (int i = 0; i < _sentinels.Count; i++)
        {
            HostPort sentinel = _sentinels[i];
            using var limit = new Deadline(share, _options.Time, cancel);
            try
            {
                if (await AskAsync(sentinel, limit.Token) is not { } primary) continue;
                _sentinels.RemoveAt(i);
                _sentinels.Insert(0, sentinel);
                return primary;
            }
            catch (Exception e) when (e is SocketException or IOException or RespProtocolException)
            {
                silent.Add($"{sentinel}: {e.Message}");
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                silent.Add($"{sentinel}: no answer within {share.TotalSeconds:0.###} s");
            }
            catch (RedisRefusedException e)
            {
                refusal = e;
            }
        }
        if (refusal is not null) throw refusal;
        if (silent.Count == _sentinels.Count) throw new RedisUnavailableException($"no sentinel answers: {string.Join("; ", silent)}");
        throw new RedisRefusedException(
            $"{_address}: no sentinel that answers knows a service \"{_address.Service}\"; name one of SENTINEL MASTERS with service=NAME");
    }

    private async ValueTask<DnsEndPoint?> AskAsync(HostPort sentinel, CancellationToken cancel)
    {
        using RespConnection connection = await _handshake.OpenAsync(new DnsEndPoint(sentinel.Host, sentinel.Port), epoch: 0, cancel);
        _replies.Reset(1 << 20);
        await connection.ExchangeAsync(_question.Bytes, _replies, 1, cancel);
        RespReply reply = _replies.Reply(0);
        if (reply.IsNull) return null;
        if (reply.IsError)
        {
            throw new RedisRefusedException(
                $"{_address}: {sentinel}: {Encoding.UTF8.GetString(reply.Bytes)}; is it a sentinel, and do sentinel-user= and sentinel-password= suit it?");
        }
        if (reply is { Kind: RespKind.Array, Count: 2 } && reply.First().Next().Integer is > 0 and < 65536 and var port)
            return new DnsEndPoint(Encoding.UTF8.GetString(reply.First().Bytes), (int)port);
        throw new RespProtocolException($"a sentinel names the primary with {reply}");
    }
}
