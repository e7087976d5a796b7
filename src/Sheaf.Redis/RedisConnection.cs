using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using StackExchange.Redis;

namespace Sheaf.Redis;

/// <summary>
/// The connection to the server, or servers, of an address: StackExchange.Redis, which finds the nodes of a cluster and the primary of a sentinel's service, and connects again
/// by itself. What it throws becomes what a caller of the journal can act on. Any thread.
/// </summary>
internal sealed class RedisConnection : IAsyncDisposable
{
    private const string ClientName = "sheaf";

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestReconnect = TimeSpan.FromSeconds(1);

    private readonly RedisAddress _address;
    private readonly TimeSpan _answerTimeout;
    private readonly SemaphoreSlim _connecting = new(1, 1);
    private ConnectionMultiplexer? _sentinels;
    private volatile ConnectionMultiplexer? _servers;

    /// <summary>Connects when something is first asked.</summary>
    public RedisConnection(RedisAddress address, TimeSpan answerTimeout)
    {
        _address = address;
        _answerTimeout = answerTimeout;
    }

    /// <summary>The primaries that are known now.</summary>
    public IEnumerable<IServer> Primaries => Servers.Where(server => server.IsConnected && !server.IsReplica);

    /// <summary>Where there is no primary: a replica; else null.</summary>
    public IServer? Replica => Primaries.Any() ? null : Array.Find(Servers, server => server.IsConnected && server.IsReplica);

    /// <summary>Connects now.</summary>
    /// <exception cref="BufferUnavailableException">No server answers.</exception>
    /// <exception cref="ConfigurationException">A file of certificates cannot be read, or the server refuses this user.</exception>
    public async Task ConnectAsync() => await DatabaseAsync();

    private IServer[] Servers => _servers?.GetServers() ?? [];

    private async ValueTask<IDatabase> DatabaseAsync()
    {
        if (_servers is { } known) return known.GetDatabase();
        await _connecting.WaitAsync();
        try
        {
            ConnectionMultiplexer servers = _servers ??= await OpenAsync();
            return servers.GetDatabase();
        }
        finally
        {
            _connecting.Release();
        }
    }

    private async Task<ConnectionMultiplexer> OpenAsync()
    {
        ConfigurationOptions options = OptionsOf(_address, _answerTimeout);
        try
        {
            if (_address is not RedisAddress.Sentinel sentinel) return await ConnectionMultiplexer.ConnectAsync(options);
            ConfigurationOptions ofSentinels = OptionsOf(_address, _answerTimeout);
            (ofSentinels.User, ofSentinels.Password) = (NullIfEmpty(sentinel.SentinelUser), NullIfEmpty(sentinel.SentinelPassword));
            ofSentinels.DefaultDatabase = null;
            ofSentinels.CommandMap = CommandMap.Sentinel;
            ofSentinels.TieBreaker = "";
            _sentinels ??= await ConnectionMultiplexer.SentinelConnectAsync(ofSentinels);
            options.EndPoints.Clear();
            options.ServiceName = sentinel.Service;
            return _sentinels.GetSentinelMasterConnection(options);
        }
        catch (RedisConnectionException e) when (e.FailureType == ConnectionFailureType.AuthenticationFailure)
        {
            throw new ConfigurationException($"buffer: {_address}: the connection was refused: {e.Message}. Check user, password and TLS in the address");
        }
        catch (Exception e) when (e is RedisException or TimeoutException or SocketException)
        {
            throw new BufferUnavailableException($"buffer: {_address}: no server answers: {e.Message}; is the server running, and is this its address?", e);
        }
    }

    /// <summary>Runs a script on the keys of one shard.</summary>
    /// <exception cref="BufferUnavailableException">It may have run.</exception>
    /// <exception cref="RedisServerException">The server has refused it, for a reason that sending it again does not mend.</exception>
    public async Task<RedisResult> EvaluateAsync(string script, RedisKey[] keys, RedisValue[] arguments)
    {
        IDatabase database = await DatabaseAsync();
        try
        {
            try
            {
                return await database.ScriptEvaluateAsync(script, keys, arguments);
            }
            catch (RedisServerException e) when (e.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
            {
                return await database.ScriptEvaluateAsync(script, keys, arguments); // the server was started again: it is loaded now
            }
        }
        catch (Exception e) when (Unavailable(e) is { } unavailable)
        {
            throw unavailable;
        }
    }

    /// <summary>A command.</summary>
    /// <exception cref="BufferUnavailableException">It may have happened.</exception>
    /// <exception cref="RedisServerException">The server has refused it.</exception>
    public async Task<T> AskAsync<T>(Func<IDatabase, Task<T>> command)
    {
        try
        {
            return await command(await DatabaseAsync());
        }
        catch (Exception e) when (Unavailable(e) is { } unavailable)
        {
            throw unavailable;
        }
    }

    /// <summary>A command for one server.</summary>
    /// <inheritdoc cref="AskAsync{T}(Func{IDatabase, Task{T}})"/>
    public async Task<T> AskAsync<T>(IServer server, Func<IServer, Task<T>> command)
    {
        try
        {
            return await command(server);
        }
        catch (Exception e) when (Unavailable(e) is { } unavailable)
        {
            throw unavailable;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_servers is { } servers) await servers.DisposeAsync();
        if (_sentinels is { } sentinels) await sentinels.DisposeAsync();
        _connecting.Dispose();
    }

    /// <summary>What passes by itself; null for what does not.</summary>
    private BufferUnavailableException? Unavailable(Exception e) => e switch
    {
        RedisServerException { Message: var said } when said.StartsWith("OOM ", StringComparison.Ordinal) =>
            new BufferUnavailableException($"buffer: {_address} has no memory left: {said}", e) { IsFull = true },
        RedisServerException { Message: var said } when IsPassing(said) => new BufferUnavailableException($"buffer: {_address}: {said}", e),
        RedisServerException => null,
        RedisException or TimeoutException or SocketException or ObjectDisposedException =>
            new BufferUnavailableException($"buffer: {_address} does not answer: {e.Message}", e),
        _ => null,
    };

    /// <summary>Errors of a server that starts, fails over, or has lost its other nodes.</summary>
    private static bool IsPassing(string said)
    {
        int end = said.IndexOf(' ', StringComparison.Ordinal);
        return (end < 0 ? said : said[..end]) is
            "LOADING" or "READONLY" or "CLUSTERDOWN" or "MASTERDOWN" or "TRYAGAIN" or "MOVED" or "ASK" or "NOREPLICAS" or "BUSY" or "MISCONF" or "UNBLOCKED";
    }

    private static ConfigurationOptions OptionsOf(RedisAddress address, TimeSpan answerTimeout)
    {
        var options = new ConfigurationOptions
        {
            ClientName = ClientName,
            AllowAdmin = true, // for INFO
            User = NullIfEmpty(address.User),
            Password = NullIfEmpty(address.Password),
            AbortOnConnectFail = true,
            ConnectTimeout = (int)ConnectTimeout.TotalMilliseconds,
            AsyncTimeout = (int)answerTimeout.TotalMilliseconds,
            SyncTimeout = (int)answerTimeout.TotalMilliseconds,
            BacklogPolicy = BacklogPolicy.FailFast, // callers try again by themselves
            ReconnectRetryPolicy = new ExponentialRetry(50, (int)LongestReconnect.TotalMilliseconds),
            IncludeDetailInExceptions = false,
        };
        switch (address)
        {
            case RedisAddress.Standalone one:
                options.EndPoints.Add(one.Server.Host, one.Server.Port);
                options.DefaultDatabase = one.Database;
                break;
            case RedisAddress.UnixSocket socket:
                options.EndPoints.Add(new UnixDomainSocketEndPoint(socket.Path));
                options.DefaultDatabase = socket.Database;
                break;
            case RedisAddress.Cluster cluster:
                foreach (HostPort seed in cluster.Seeds) options.EndPoints.Add(seed.Host, seed.Port);
                break;
            case RedisAddress.Sentinel sentinel:
                foreach (HostPort at in sentinel.Sentinels) options.EndPoints.Add(at.Host, at.Port);
                options.DefaultDatabase = sentinel.Database;
                break;
        }
        if (address.Tls is { } tls) SetTls(options, tls);
        return options;
    }

    private static void SetTls(ConfigurationOptions options, RedisTls tls)
    {
        options.Ssl = true;
        if (tls.Host != "") options.SslHost = tls.Host;
        // Read again for each connection, so that certificates may be replaced while a run goes on.
        options.SslClientAuthenticationOptions = host =>
        {
            var authentication = new SslClientAuthenticationOptions
            {
                TargetHost = tls.Host == "" ? host : tls.Host,
                CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            };
            try
            {
                if (tls.CaFile != "")
                {
                    authentication.CertificateChainPolicy = new X509ChainPolicy
                    {
                        TrustMode = X509ChainTrustMode.CustomRootTrust,
                        RevocationMode = X509RevocationMode.NoCheck,
                    };
                    authentication.CertificateChainPolicy.CustomTrustStore.ImportFromPemFile(tls.CaFile);
                }
                if (tls.CertificateFile != "")
                {
                    var chain = new X509Certificate2Collection();
                    chain.ImportFromPemFile(tls.CertificateFile);
                    authentication.ClientCertificateContext = SslStreamCertificateContext.Create(
                        X509Certificate2.CreateFromPemFile(tls.CertificateFile, tls.KeyFile), chain, offline: true);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
            {
                throw new RedisConnectionException(ConnectionFailureType.AuthenticationFailure, CommandFlags.None, $"a file of certificates cannot be read as PEM: {e.Message}", e);
            }
            return authentication;
        };
    }

    private static string? NullIfEmpty(string text) => text == "" ? null : text;
}
