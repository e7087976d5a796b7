using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Sheaf.Redis.Resp;

/// <summary>Opens connections and greets: protocol, credentials, database, name and scripts in one round trip. Owner: one opening at a time.</summary>
internal sealed class Handshake(ConnectionSettings settings)
{
    private const int MaxBytes = 16 << 20;

    private readonly RespBatch _batch = new();
    private readonly ReplySet _replies = new();
    private readonly string _place = settings.Place;
    private int _select;
    private int _role;
    private int _probe;
    private int _authentication;

    /// <summary>A connection that is ready for commands.</summary>
    /// <exception cref="SocketException">Not reached.</exception>
    /// <exception cref="IOException">Lost, or turned away for now.</exception>
    /// <exception cref="RespProtocolException">The server does not speak RESP.</exception>
    /// <exception cref="RedisRefusedException">Turned away for good.</exception>
    public async ValueTask<RespConnection> OpenAsync(EndPoint endpoint, int epoch, CancellationToken cancel)
    {
        RespConnection connection = await RespConnection.OpenAsync(endpoint, settings.Tls, $"{_place} ({NameOf(endpoint)})", epoch, cancel);
        try
        {
            bool isGreeted = false;
            if (settings.Options.Protocol == 3)
            {
                WriteHello();
                await ExchangeAsync(connection, cancel);
                isGreeted = !_replies.Reply(0).IsError;
                if (!isGreeted) CheckHello(Text(0));
            }
            if (!isGreeted)
            {
                WriteLogin();
                await ExchangeAsync(connection, cancel);
            }
            CheckReplies();
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    internal static string NameOf(EndPoint endpoint) =>
        endpoint is DnsEndPoint tcp ? new HostPort(tcp.Host, tcp.Port).ToString() : endpoint.ToString()!;

    private async ValueTask ExchangeAsync(RespConnection connection, CancellationToken cancel)
    {
        _replies.Reset(MaxBytes);
        try
        {
            await connection.ExchangeAsync(_batch.Bytes, _replies, _batch.Count, cancel);
        }
        catch (IOException e) when (_replies.Count > 0 && _replies.Reply(0).IsError)
        {
            // A server that is full or protected says so and hangs up.
            string reason = Text(0);
            if (reason.StartsWith("DENIED", StringComparison.Ordinal)) throw Refused(reason, "give the server a password, or have it listen to this host (protected-mode)");
            throw new IOException(reason, e);
        }
        catch (IOException e) when (settings.Tls is { HasClientCertificate: var hasOne } && _replies.Count == 0)
        {
            // With TLS 1.3 a server looks at the client's certificate after the client has begun to talk.
            string reason = e.GetBaseException().Message;
            bool isAboutCertificates = reason.Contains("alert", StringComparison.Ordinal)
                && (reason.Contains("certificate", StringComparison.Ordinal) || reason.Contains("unknown ca", StringComparison.Ordinal));
            string wayOut = hasOne
                ? "does the server trust the authority of our certificate (cert=PATH)?"
                : "a server that wants a client certificate needs cert=PATH&key=PATH in the address";
            if (isAboutCertificates) throw Refused(reason, wayOut);
            throw new IOException($"{reason} ({wayOut})", e);
        }
    }

    private void WriteHello()
    {
        _batch.Clear();
        bool hasName = settings.Options.ClientName != "";
        bool hasPassword = settings.Password != "";
        _batch.Begin(2 + (hasPassword ? 3 : 0) + (hasName ? 2 : 0), HashSlot.Any);
        _batch.Add("HELLO"u8);
        _batch.Add(3);
        if (hasPassword)
        {
            _batch.Add("AUTH"u8);
            Add(settings.User == "" ? "default" : settings.User);
            Add(settings.Password);
        }
        if (hasName)
        {
            _batch.Add("SETNAME"u8);
            Add(settings.Options.ClientName);
        }
        _authentication = -1;
        WriteRest();
    }

    /// <summary>The same in RESP2.</summary>
    private void WriteLogin()
    {
        _batch.Clear();
        _authentication = -1;
        if (settings.Password != "")
        {
            _authentication = _batch.Count;
            _batch.Begin(settings.User == "" ? 2 : 3, HashSlot.Any);
            _batch.Add("AUTH"u8);
            if (settings.User != "") Add(settings.User);
            Add(settings.Password);
        }
        if (settings.Options.ClientName != "")
        {
            _batch.Begin(3, HashSlot.Any);
            _batch.Add("CLIENT"u8);
            _batch.Add("SETNAME"u8);
            Add(settings.Options.ClientName);
        }
        WriteRest();
    }

    private void WriteRest()
    {
        _select = -1;
        if (settings.Database != 0)
        {
            _select = _batch.Count;
            _batch.Begin(2, HashSlot.Any);
            _batch.Add("SELECT"u8);
            _batch.Add(settings.Database);
        }
        _role = -1;
        if (settings.MustBePrimary)
        {
            _role = _batch.Count;
            _batch.Begin(1, HashSlot.Any);
            _batch.Add("ROLE"u8);
        }
        WriteScripts(_batch, settings.Options.Scripts); // where one is not taken, the command that needs it will say so
        _probe = _batch.Count;
        _batch.Begin(1, HashSlot.Any);
        _batch.Add("PING"u8);
    }

    internal static void WriteScripts(RespBatch batch, IReadOnlyList<RespScript> scripts)
    {
        foreach (RespScript script in scripts)
        {
            batch.Begin(3, HashSlot.Any);
            batch.Add("SCRIPT"u8);
            batch.Add("LOAD"u8);
            batch.Add(Encoding.UTF8.GetBytes(script.Body));
        }
    }

    /// <summary>Whether HELLO was refused because of who we are. Otherwise the server is old, or does not let us choose, and RESP2 will do.</summary>
    private void CheckHello(string error)
    {
        if (error.StartsWith("WRONGPASS", StringComparison.Ordinal)) throw WrongPassword(error);
        if (error.StartsWith("NOAUTH", StringComparison.Ordinal)) throw NoPassword(error);
    }

    private void CheckReplies()
    {
        if (_authentication >= 0 && _replies.Reply(_authentication).IsError)
        {
            string error = Text(_authentication);
            throw error.StartsWith("LOADING", StringComparison.Ordinal) ? new IOException(error) : WrongPassword(error);
        }
        if (_replies.Reply(_probe).IsError && Text(_probe) is var probe && probe.StartsWith("NOAUTH", StringComparison.Ordinal)) throw NoPassword(probe);
        if (_select >= 0 && _replies.Reply(_select).IsError)
        {
            string error = Text(_select);
            if (error.StartsWith("LOADING", StringComparison.Ordinal)) throw new IOException(error);
            throw Refused($"database {settings.Database}: {error}", "name a database that the server has and that the user may select");
        }
        if (_role >= 0 && _replies.Reply(_role) is { Kind: RespKind.Array, Count: > 0 } role && !role.First().Bytes.SequenceEqual("master"u8))
            throw new IOException($"the server is a {Encoding.UTF8.GetString(role.First().Bytes)} and no primary (any more)");
    }

    private RedisRefusedException WrongPassword(string error) => Refused(error, "correct user and password in the address");

    private RedisRefusedException NoPassword(string error) => Refused(error, "the server wants a password: add it to the address, user:password@ or :password@");

    private RedisRefusedException Refused(string error, string wayOut) => new($"{_place}: {error}; {wayOut}");

    private string Text(int reply) => Encoding.UTF8.GetString(_replies.Reply(reply).Bytes);

    private void Add(string word) => _batch.Add(Encoding.UTF8.GetBytes(word));
}
