using System.Text.RegularExpressions;
using Sheaf.Kafka;
using Sheaf.Kafka.Native;

namespace Sheaf.SystemTests.Kafka;

/// <summary>What librdkafka itself says of properties and error codes. Needs the library, no broker.</summary>
public sealed partial class Properties
{
    [Fact]
    public void Every_fault_is_told_in_librdkafkas_words_and_no_secret_is()
    {
        var config = new KafkaConfig()
            .Set("no.such.property", "1").Set("linger.ms", "soon").Set("sasl.password", "hunter2").Set("ssl.key.password", "hunter3").Set("enable.auto.commit", "true");
        string message = Assert.Throws<ConfigurationException>(config.Validate).Message;
        Assert.Contains("no.such.property: No such configuration property", message, StringComparison.Ordinal);
        Assert.Contains("linger.ms: Invalid value", message, StringComparison.Ordinal);
        Assert.Contains("enable.auto.commit: must stay false", message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_secret_that_is_refused_is_not_repeated()
    {
        const string Key = "-----BEGIN PRIVATE KEY----- s3cr3t";
        var config = new KafkaConfig().Set("bootstrap.servers", "b").Set("security.protocol", "ssl").Set("ssl.key.pem", Key);
        string message = Assert.Throws<ConfigurationException>(() => KafkaProducer.Create(config)).Message;
        Assert.DoesNotContain("s3cr3t", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("PLAIN")]
    [InlineData("SCRAM-SHA-256")]
    [InlineData("SCRAM-SHA-512")]
    [InlineData("OAUTHBEARER")]
    public void Every_mechanism_can_be_configured(string mechanism)
    {
        var config = new KafkaConfig().Set("bootstrap.servers", "127.0.0.1:1").Set("security.protocol", "sasl_ssl").Set("sasl.mechanism", mechanism)
            .Set("sasl.username", "u").Set("sasl.password", "p");
        if (mechanism == "OAUTHBEARER") config.Set("sasl.oauthbearer.method", "oidc").Set("sasl.oauthbearer.client.id", "sheaf")
            .Set("sasl.oauthbearer.client.secret", "s").Set("sasl.oauthbearer.token.endpoint.url", "http://127.0.0.1:1/token");
        using var producer = KafkaProducer.Create(config);
    }

    /// <summary>Each constant's comment says librdkafka's name; a number that is wrong would tell errors apart wrongly.</summary>
    [Fact]
    public void Every_error_code_has_librdkafkas_name()
    {
        KafkaLibrary.EnsureLoaded();
        string source = File.ReadAllText(Path.Combine(TestKit.RepositoryFiles.Root, "src", "Sheaf.Kafka", "Native", "ErrorCodes.cs"));
        MatchCollection codes = Code().Matches(source);
        Assert.Equal(typeof(ErrorCodes).GetFields().Length, codes.Count);
        Assert.All(codes, code =>
            Assert.Equal(code.Groups[2].Value, new KafkaError(int.Parse(code.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture)).Name));
    }

    [GeneratedRegex(@"= (-?\d+); // (\w+)")]
    private static partial Regex Code();
}
