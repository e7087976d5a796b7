using System.Globalization;
using Sheaf.Journals;
using Sheaf.Redis;
using Sheaf.Spans;
using Sheaf.TestKit;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis;

/// <summary>Every form of address leads to the journal; a refusal names the reason, the place and the way out, and no password.</summary>
public sealed class JournalConnections
{
    private static readonly JournalOrigin Origin = new("spans.jsonl", 1);

    [Theory]
    [InlineData(":s3%3Acr%40t%2F")]
    [InlineData("app:p%25w")]
    public async Task A_password_and_a_user_are_taken_from_the_address(string credentials)
    {
        await using RedisServer server = await StartStrictAsync();
        await AssertWorksAsync($"redis://{credentials}@127.0.0.1:{server.Port}");
    }

    [Theory]
    [InlineData("", "NOAUTH")]
    [InlineData(":wrong@", "WRONGPASS")]
    [InlineData("nobody:pw@", "WRONGPASS")]
    public async Task A_refused_password_is_told_without_it(string credentials, string reason)
    {
        await using RedisServer server = await StartStrictAsync();
        ConfigurationException e = await Assert.ThrowsAsync<ConfigurationException>(() => AssertWorksAsync($"redis://{credentials}127.0.0.1:{server.Port}"));
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        Assert.Contains($"127.0.0.1:{server.Port}", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(":pw", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(":wrong", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_is_kept_apart_from_the_others()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisJournal second = await OpenAsync($"{server.Uri}/2");
        JournalGeneration generation = (await second.OpenAsync(new ShardId(0), JournalSide.Appender, default)).Generation;
        await second.BeginAsync(new ShardId(0), generation, new(7, 7), Sheaf.Buffering.SettledOffsets.None, default);
        await using RedisJournal first = await OpenAsync(server.Uri);
        Assert.Null((await first.LookAsync(new ShardId(0), default)).Stored);
        await using RedisJournal again = await OpenAsync($"{server.Uri}/2");
        Assert.Equal(7, (await again.LookAsync(new ShardId(0), default)).Stored!.Value.Offset);
    }

    [Fact]
    public async Task A_unix_socket_is_connected_to_and_again_after_a_restart()
    {
        await using RedisServer server = await RedisServer.StartAsync(
            new RedisServerOptions { Listening = RedisListening.UnixSocket, Lines = ["requirepass pw"], Credentials = ":pw" });
        await using RedisJournal journal = await OpenAsync(server.Uri + "?db=3");
        await journal.LookAsync(new ShardId(0), default);
        await server.RestartAsync();
        await AnswersAsync(journal);
        await Assert.ThrowsAsync<BufferUnavailableException>(() => AssertWorksAsync("unix:///no/such.sock"));
    }

    [Fact]
    public async Task Tls_trusts_the_named_authority_alone()
    {
        using var certificates = new TestCertificates();
        using var others = new TestCertificates();
        await using RedisServer server = await RedisServer.StartAsync(new RedisServerOptions { Listening = RedisListening.Tls, Certificates = certificates });
        await AssertWorksAsync(server.Uri);
        await AssertWorksAsync($"rediss://127.0.0.1:{server.Port}?ca={certificates.CaFile}&tls-host=localhost");
        foreach (string query in (string[])["", $"?ca={others.CaFile}", $"?ca={certificates.CaFile}&tls-host=redis.example"])
            await Assert.ThrowsAnyAsync<SheafException>(() => AssertWorksAsync($"rediss://localhost:{server.Port}{query}"));
    }

    [Fact]
    public async Task Tls_shows_a_client_certificate_where_the_server_wants_one()
    {
        using var certificates = new TestCertificates();
        await using RedisServer server = await RedisServer.StartAsync(
            new RedisServerOptions { Listening = RedisListening.Tls, Certificates = certificates, WantsClientCertificate = true });
        string files = $"&cert={Uri.EscapeDataString(certificates.ClientCertificateFile)}&key={Uri.EscapeDataString(certificates.ClientKeyFile)}";
        await AssertWorksAsync(server.Uri + files);
        await Assert.ThrowsAnyAsync<SheafException>(() => AssertWorksAsync(server.Uri));
    }

    [Fact]
    public async Task An_authority_that_is_renewed_together_with_its_file_is_trusted_at_the_next_connection()
    {
        using var certificates = new TestCertificates();
        using var others = new TestCertificates();
        using var folder = new TempFolder();
        string ca = folder.File("ca.pem");
        File.Copy(certificates.CaFile, ca);
        await using RedisServer server = await RedisServer.StartAsync(new RedisServerOptions { Listening = RedisListening.Tls, Certificates = certificates });
        await using RedisJournal journal = await OpenAsync($"rediss://localhost:{server.Port}?ca={ca}");

        File.Copy(others.CaFile, ca, overwrite: true);
        File.Copy(others.CaFile, certificates.CaFile, overwrite: true);
        File.Copy(others.ServerCertificateFile, certificates.ServerCertificateFile, overwrite: true);
        File.Copy(others.ServerKeyFile, certificates.ServerKeyFile, overwrite: true);
        await server.RestartAsync();
        await AnswersAsync(journal);
    }

    [Fact]
    public async Task Files_that_are_no_certificates_are_refused_by_name()
    {
        using var certificates = new TestCertificates();
        using var folder = new TempFolder();
        await using RedisServer server = await RedisServer.StartAsync(new RedisServerOptions { Listening = RedisListening.Tls, Certificates = certificates });
        await File.WriteAllTextAsync(folder.File("empty"), "nothing");
        foreach (string query in (string[])[$"ca={folder.File("none")}", $"cert={folder.File("empty")}&key={folder.File("empty")}"])
        {
            SheafException e = await Assert.ThrowsAnyAsync<SheafException>(() => AssertWorksAsync($"rediss://localhost:{server.Port}?{query}"));
            Assert.Contains(folder.Root, Uri.UnescapeDataString(e.Message), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_sentinel_leads_to_the_primary_and_after_a_failover_to_the_next_one()
    {
        string[] own = ["requirepass pw", "masterauth pw", "repl-diskless-sync-delay 0"];
        await using RedisServer first = await RedisServer.StartAsync(new RedisServerOptions { Credentials = ":pw", Lines = own });
        await using RedisServer second = await RedisServer.StartAsync(
            new RedisServerOptions { Credentials = ":pw", Lines = [.. own, $"replicaof 127.0.0.1 {Port(first)}"] });
        await using RedisServer sentinel = await RedisServer.StartAsync(new RedisServerOptions
        {
            IsSentinel = true,
            Credentials = ":watch",
            Lines =
            [
                "requirepass watch", $"sentinel monitor traces 127.0.0.1 {Port(first)} 1", "sentinel auth-pass traces pw",
                "sentinel down-after-milliseconds traces 500", "sentinel failover-timeout traces 1000",
            ],
        });
        await using TestRedis primary = await TestRedis.ConnectAsync(first.Address);
        await using TestRedis watch = await TestRedis.ConnectAsync(sentinel.Address);
        await watch.AskAsync("SENTINEL", "DEBUG", "info-period", "100"); // it looks at its servers every 10 s otherwise
        await Eventually.TrueAsync(
            () => primary.AskAsync("INFO", "replication"), reply => reply.Text().Contains("state=online", StringComparison.Ordinal), "the replica");
        await Eventually.TrueAsync(() => watch.AskAsync("SENTINEL", "REPLICAS", "traces"), reply => reply.Count == 1, "the sentinel to know the replica");

        string uri = $"redis-sentinel://:pw@127.0.0.1:{Port(sentinel)}/0?service=traces&sentinel-password=watch";
        await using RedisJournal journal = await OpenAsync(uri);
        JournalGeneration generation = (await journal.OpenAsync(new ShardId(0), JournalSide.Appender, default)).Generation;
        await journal.BeginAsync(new ShardId(0), generation, new(7, 7), Sheaf.Buffering.SettledOffsets.None, default);
        await using TestRedis replica = await TestRedis.ConnectAsync(second.Address);
        await Eventually.TrueAsync(() => replica.AskAsync("EXISTS", "sheaf:{0}:state"), reply => reply.Number == 1, "the replica to catch up");

        await first.KillAsync();
        await Eventually.TrueAsync(
            () => watch.AskAsync("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "traces"), reply => reply.Children[1].Text() == Port(second), "the failover");
        await AnswersAsync(journal);
        Assert.Equal(7, (await journal.LookAsync(new ShardId(0), default)).Stored!.Value.Offset);
        Assert.True((await journal.OpenAsync(new ShardId(0), JournalSide.Appender, default)).Generation.Number > generation.Number);
    }

    private static Task<RedisServer> StartStrictAsync() => RedisServer.StartAsync("requirepass s3:cr@t/", "user app on >p%w ~sheaf:* +@all -config");

    private static string Port(RedisServer server) => server.Port.ToString(CultureInfo.InvariantCulture);

    private static async Task<RedisJournal> OpenAsync(string uri) =>
        await RedisJournal.OpenAsync(new RedisJournalOptions(RedisServer.Parse(uri), Origin), TimeProvider.System, default);

    private static async Task AssertWorksAsync(string uri)
    {
        await using RedisJournal journal = await OpenAsync(uri);
        Assert.NotNull(await journal.LookAsync(new ShardId(0), default));
    }

    /// <summary>The connection that is lost comes back by itself.</summary>
    private static Task AnswersAsync(RedisJournal journal) => Eventually.TrueAsync(
        async () =>
        {
            try
            {
                await journal.OpenAsync(new ShardId(1), JournalSide.Worker, default);
                return true;
            }
            catch (BufferUnavailableException)
            {
                return false;
            }
        },
        answers => answers, "an answer");
}
