using System.Text.RegularExpressions;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>A broker whose user has the rights that the operations guide names, and no others.</summary>
public sealed partial class GuidedRights : IDisposable
{
    private readonly SecuredBroker _broker = new();
    private readonly Lazy<SecuredBroker> _granted;

    public GuidedRights() => _granted = new Lazy<SecuredBroker>(Grant);

    internal SecuredBroker Broker => _granted.Value;

    public void Dispose() => _broker.Dispose();

    private SecuredBroker Grant()
    {
        string[] lines = [.. File.ReadLines(Path.Combine(RepositoryFiles.Root, "docs", "operations.md")).Where(line => line.StartsWith("$acls ", StringComparison.Ordinal))];
        Assert.True(lines.Length >= 6, "the operations guide names no rights any more");
        foreach (string line in lines)
        {
            if (line.Contains("only for brokers older than", StringComparison.Ordinal)) continue;
            // The names of tests' topics and groups begin alike, so that one right is enough for all of them.
            string rights = line["$acls ".Length..].Split('#')[0].Replace("--resource-pattern-type prefixed", "", StringComparison.Ordinal);
            rights = OfTopics().Replace(OfGroups().Replace(rights, "$1 group-"), "$1 test-");
            string[] words = rights.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            Assert.Contains(words, word => word is "test-" || word.StartsWith("group-", StringComparison.Ordinal));
            _broker.Allow([.. words, "--allow-principal", $"User:{SecuredBroker.User}", "--resource-pattern-type", "prefixed"]);
        }
        return _broker;
    }

    [GeneratedRegex("(--group|--transactional-id|--topic) process-spans[-.\\w]*")]
    private static partial Regex OfGroups();

    [GeneratedRegex("(--topic) (ingest-spans|buffered-segments|dead-spans)")]
    private static partial Regex OfTopics();
}

/// <summary>Brokers that ask who one is, and what one may.</summary>
public sealed class Security(GuidedRights rights) : IClassFixture<GuidedRights>
{
    private const string Wrong = "not-the-password", Scram = "SCRAM-SHA-512";

    [SecuredBrokerTheory]
    [InlineData("PLAIN", "at-least-once")]
    [InlineData(Scram, "exactly-once")]
    [InlineData("OAUTHBEARER", "at-least-once")]
    [InlineData("certificate", "exactly-once")]
    public async Task Whoever_proves_who_they_are_can_do_everything_with_the_rights_of_the_guide(string mechanism, string delivery)
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(rights.Broker.Open);
        string letters = rights.Broker.Open.CreateTopic();
        SheafProcess instance = Start(run, mechanism, SecuredBroker.User, SecuredBroker.Password, "--delivery", delivery, "--dead-letter", $"kafka:{letters}", "--log-level", "debug");
        await KafkaRun.AssignedAsync(instance);
        await run.ProduceAsync([.. KafkaRun.Traces(0, 20)]);
        await run.ProduceBadAsync("no span");
        await run.LetTimePassAsync();
        await run.ReadAsync(100);
        Ended ended = await KafkaRun.StopAsync(instance);
        KafkaRun.AssertRight(await run.VerifyAsync());
        Assert.Equal(1, ended.Count("dead_letters"));
        Assert.Single(await TestMember.ReadToEndAsync(rights.Broker.Open.Brokers, letters));
        Assert.DoesNotContain(SecuredBroker.Password, ended.Error, StringComparison.Ordinal);

        // The progress topic was made with the same rights, and is read with them.
        SheafProcess again = Start(run, mechanism, SecuredBroker.User, SecuredBroker.Password, "--delivery", delivery, "--dead-letter", $"kafka:{letters}");
        await again.WaitForErrorAsync(error => error.Contains("messages behind it have left already", StringComparison.Ordinal));
        await KafkaRun.StopAsync(again);
    }

    [SecuredBrokerTheory]
    [InlineData("PLAIN")]
    [InlineData(Scram)]
    public async Task A_wrong_password_ends_the_start_with_what_to_check(string mechanism)
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(rights.Broker.Open);
        Ended ended = await Start(run, mechanism, SecuredBroker.User, Wrong).EndAsync();
        Assert.Equal(2, ended.ExitCode);
        Assert.Contains("uthentication failed", ended.Error, StringComparison.Ordinal);
        Assert.Contains("Check security.protocol, the sasl.* and ssl.* properties, and the user's password on the brokers", ended.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(Wrong, ended.Error, StringComparison.Ordinal);
    }

    [SecuredBrokerFact]
    public async Task Brokers_whose_certificate_nobody_trusts_are_not_talked_to()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(rights.Broker.Open);
        run.Variables["SHEAF_KAFKA_CONFIG"] = Properties(("security.protocol", "sasl_ssl"), ("sasl.mechanism", "PLAIN"), ("sasl.username", SecuredBroker.User), ("sasl.password", SecuredBroker.Password));
        Ended ended = await StartAt(run, rights.Broker.ForUsers).EndAsync();
        Assert.Equal(2, ended.ExitCode);
        Assert.Contains("certificate verify failed", ended.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(SecuredBroker.Password, ended.Error, StringComparison.Ordinal);
    }

    [SecuredBrokerFact]
    public async Task A_user_without_rights_is_told_what_it_lacks()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(rights.Broker.Open);
        Ended ended = await Start(run, "PLAIN", SecuredBroker.Stranger, SecuredBroker.Password).EndAsync();
        Assert.Equal(2, ended.ExitCode);
        Assert.Contains($"Give this client's user the rights it lacks on topic {run.Input}", ended.Error, StringComparison.Ordinal);
    }

    [SecuredBrokerFact]
    public async Task A_user_who_may_only_look_is_told_by_one_start_everything_that_it_lacks()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(rights.Broker.Open);
        string letters = rights.Broker.Open.CreateTopic();
        string[] topics = ["--topic", run.Input, "--topic", run.Output, "--topic", letters];
        rights.Broker.Allow(["--operation", "Describe", .. topics, "--allow-principal", $"User:{SecuredBroker.Stranger}"]);
        Ended ended = await Start(run, "PLAIN", SecuredBroker.Stranger, SecuredBroker.Password, "--dead-letter", $"kafka:{letters}").EndAsync();
        Assert.Equal(2, ended.ExitCode);
        foreach (string right in (string[])[$"Read --topic {run.Input}", $"Read --group {run.Group}", $"Write --topic {run.Output}", $"Write --topic {letters}", "--progress-topic "])
            Assert.Contains(right, ended.Error, StringComparison.Ordinal);
    }

    private SheafProcess Start(KafkaRun run, string mechanism, string user, string password, params string[] words)
    {
        bool hasCertificate = mechanism == "certificate";
        (string, string)[] properties = mechanism switch
        {
            "certificate" => [("security.protocol", "ssl"), .. rights.Broker.Certificate],
            "OAUTHBEARER" => [("security.protocol", "sasl_ssl"), ("sasl.mechanism", mechanism), ("enable.sasl.oauthbearer.unsecure.jwt", "true"), ("sasl.oauthbearer.config", $"principal={user}")],
            _ => [("security.protocol", "sasl_ssl"), ("sasl.mechanism", mechanism), ("sasl.username", user), ("sasl.password", password)],
        };
        run.Variables["SHEAF_KAFKA_CONFIG"] = Properties([rights.Broker.Authority, .. properties]);
        return StartAt(run, hasCertificate ? rights.Broker.ForCertificates : rights.Broker.ForUsers, words);
    }

    private static SheafProcess StartAt(KafkaRun run, string brokers, params string[] words) =>
        run.StartFrom($"kafka://{brokers}/{run.Input}?group={run.Group}", ["--output", $"kafka://{brokers}/{run.Output}", .. words]);

    private static string Properties(params (string Name, string Value)[] properties) => string.Join(',', properties.Select(p => $"{p.Name}={p.Value}"));
}
