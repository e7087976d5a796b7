using Sheaf.Redis.Resp;
using Sheaf.TestKit;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis;

/// <summary>TLS, with certificates made for the test.</summary>
public sealed class Tls : IAsyncLifetime, IDisposable
{
    private readonly TestCertificates _certificates = new();
    private readonly TestCertificates _others = new();
    private RedisServer _open = null!;
    private RedisServer _strict = null!;

    public async Task InitializeAsync()
    {
        var options = new RedisServerOptions { Listening = RedisListening.Tls, Certificates = _certificates };
        _open = await RedisServer.StartAsync(options);
        _strict = await RedisServer.StartAsync(options with { WantsClientCertificate = true });
    }

    public async Task DisposeAsync()
    {
        await _open.DisposeAsync();
        await _strict.DisposeAsync();
    }

    public void Dispose()
    {
        _certificates.Dispose();
        _others.Dispose();
    }

    [Fact]
    public async Task A_server_with_a_certificate_of_the_named_authority_is_trusted()
    {
        await using RedisClient client = await RespTest.ConnectAsync(_open);
        var batch = new RespBatch();
        for (int i = 0; i < 20; i++)
        {
            batch.Begin(2, HashSlot.Any);
            batch.Add("ECHO"u8);
            batch.AddUninitialized(300_000).Fill((byte)i);
        }
        for (int round = 0; round < 3; round++)
        {
            await client.ExecuteAsync(batch, default);
            for (int i = 0; i < 20; i++) Assert.Equal(-1, batch.Reply(i).Bytes.IndexOfAnyExcept((byte)i));
        }
        // The connection was kept: TLS' own messages do not make it look used up.
        Assert.Single((await client.AskAsync("CLIENT", "LIST")).Text().TrimEnd().Split('\n'));
        Assert.Contains("total_connections_received:1\r", (await client.AskAsync("INFO", "stats")).Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_authority_that_is_renewed_together_with_its_file_is_trusted_at_the_next_connection()
    {
        using var certificates = new TestCertificates();
        using var folder = new TempFolder();
        string ca = folder.File("ca.pem");
        File.Copy(certificates.CaFile, ca);
        await using RedisServer server = await RedisServer.StartAsync(new RedisServerOptions { Listening = RedisListening.Tls, Certificates = certificates });
        await using RedisClient client = await RespTest.ConnectAsync($"rediss://localhost:{server.Port}?ca={ca}");

        File.Copy(_others.CaFile, ca, overwrite: true);
        File.Copy(_others.CaFile, certificates.CaFile, overwrite: true);
        File.Copy(_others.ServerCertificateFile, certificates.ServerCertificateFile, overwrite: true);
        File.Copy(_others.ServerKeyFile, certificates.ServerKeyFile, overwrite: true);
        await AnswersAsync();
        await File.WriteAllTextAsync(ca, "it is just being written");
        await AnswersAsync();

        async Task AnswersAsync()
        {
            await server.RestartAsync();
            await Eventually.TrueAsync(async () =>
            {
                try
                {
                    return (await client.AskAsync("PING")).Text();
                }
                catch (RedisUnavailableException)
                {
                    return ""; // the connection that the restart has cost
                }
            }, answer => answer == "PONG", "an answer");
        }
    }

    [Fact]
    public async Task A_client_certificate_opens_the_door()
    {
        string address = $"{_strict.Uri}&cert={Uri.EscapeDataString(_certificates.ClientCertificateFile)}&key={Uri.EscapeDataString(_certificates.ClientKeyFile)}";
        await using RedisClient client = await RespTest.ConnectAsync(address);
        Assert.Equal("PONG", (await client.AskAsync("PING")).Text());
    }

    [Fact]
    public async Task A_missing_client_certificate_is_refused_with_the_way_out()
    {
        // A refusal, unless the end of the connection has overtaken the reason for it.
        SheafException e = await Assert.ThrowsAnyAsync<SheafException>(async () => await RespTest.ConnectAsync(_strict));
        Assert.Contains("cert=", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_of_another_authority_is_refused()
    {
        RedisRefusedException e = await Assert.ThrowsAsync<RedisRefusedException>(async () => await RespTest.ConnectAsync($"rediss://localhost:{_open.Port}"));
        Assert.Contains("ca=PATH", e.Message, StringComparison.Ordinal);
        Assert.Contains("not trusted", e.Message, StringComparison.Ordinal);
        e = await Assert.ThrowsAsync<RedisRefusedException>(async () => await RespTest.ConnectAsync($"rediss://localhost:{_open.Port}?ca={_others.CaFile}"));
        Assert.Contains(_others.CaFile, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_for_another_host_is_refused_unless_that_host_is_named()
    {
        RedisRefusedException e = await Assert.ThrowsAsync<RedisRefusedException>(async () => await RespTest.ConnectAsync($"{_open.Uri}&tls-host=redis.example"));
        Assert.Contains("redis.example", e.Message, StringComparison.Ordinal);
        Assert.Contains("tls-host", e.Message, StringComparison.Ordinal);
        await using RedisClient client = await RespTest.ConnectAsync($"rediss://127.0.0.1:{_open.Port}?ca={_certificates.CaFile}&tls-host=localhost");
    }

    [Fact]
    public async Task Files_that_are_no_certificates_are_refused_by_name()
    {
        using var folder = new TempFolder();
        await File.WriteAllTextAsync(folder.File("empty"), "nothing");
        foreach (string query in new[] { $"ca={folder.File("none")}", $"ca={folder.File("empty")}", $"cert={folder.File("empty")}&key={folder.File("empty")}" })
        {
            RedisRefusedException e = await Assert.ThrowsAsync<RedisRefusedException>(async () => await RespTest.ConnectAsync($"rediss://localhost:{_open.Port}?{query}"));
            Assert.Contains(folder.Root, e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_server_without_TLS_is_told()
    {
        await using RedisServer plain = await RedisServer.StartAsync();
        Exception e = await Assert.ThrowsAnyAsync<SheafException>(async () => await RespTest.ConnectAsync($"rediss://127.0.0.1:{plain.Port}", RespTest.Options with { ConnectTimeout = TimeSpan.FromSeconds(2) }));
        Assert.Contains("TLS", e.Message, StringComparison.Ordinal);
    }
}
