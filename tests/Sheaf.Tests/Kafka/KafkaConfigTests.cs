using Sheaf.Kafka;

namespace Sheaf.Tests.Kafka;

public class KafkaConfigTests
{
    [Theory]
    [InlineData("linger.ms=5", "linger.ms", "5")]
    [InlineData(" linger.ms =5", "linger.ms", "5")]
    [InlineData("sasl.jaas=a=b", "sasl.jaas", "a=b")]
    [InlineData("debug=", "debug", "")]
    public void A_property_is_a_name_and_what_stands_behind_the_first_equals_sign(string text, string name, string value)
    {
        Assert.True(KafkaConfig.TryParseProperty(text, out KeyValuePair<string, string> property, out string problem), problem);
        Assert.Equal(new(name, value), property);
    }

    [Theory]
    [InlineData("hunter2")]
    [InlineData("=hunter2")]
    [InlineData("")]
    public void What_has_no_name_is_refused_and_not_repeated(string text)
    {
        Assert.False(KafkaConfig.TryParseProperty(text, out _, out string problem));
        Assert.Contains("name=value", problem, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sasl.password", true)]
    [InlineData("ssl.key.password", true)]
    [InlineData("ssl.keystore.password", true)]
    [InlineData("ssl.key.pem", true)]
    [InlineData("sasl.oauthbearer.client.secret", true)]
    [InlineData("sasl.oauthbearer.config", true)]
    [InlineData("sasl.oauthbearer.assertion.private.key.pem", true)]
    [InlineData("sasl.oauthbearer.assertion.private.key.passphrase", true)]
    [InlineData("sasl.oauthbearer.token.endpoint.url", false)]
    [InlineData("sasl.username", false)]
    [InlineData("ssl.certificate.pem", false)]
    [InlineData("bootstrap.servers", false)]
    public void Secrets_are_known_by_their_name(string name, bool isSecret)
    {
        Assert.Equal(isSecret, KafkaConfig.IsSecret(name));
        string shown = new KafkaConfig().Set(name, "value-7").Describe();
        Assert.Equal(isSecret ? $"{name}=(secret)" : $"{name}=value-7", shown);
    }

    [Fact]
    public void A_later_value_replaces_an_earlier_one_and_a_default_none()
    {
        KafkaConfig config = new KafkaConfig().Set("a", "1").Set("b", "2").SetDefault("a", "4").Set("a", "3").SetDefault("c", "5");
        Assert.Equal("b=2, a=3, c=5", config.Describe());
    }

    [Fact]
    public void A_consumer_reads_as_it_must_and_what_the_operator_gives_goes_last()
    {
        KafkaConfig config = new KafkaConsumerOptions
        {
            Address = new KafkaAddress("b:1", ["t"], "g", [new("fetch.min.bytes", "2")]),
            Config = new KafkaConfig().Set("fetch.min.bytes", "3"),
            GroupInstanceId = "one",
            MaxPollInterval = TimeSpan.FromSeconds(20),
            AutoOffsetReset = AutoOffsetReset.Earliest,
            StrictOffsetReset = false,
        }.ToConfig();
        Assert.Equal(
            "bootstrap.servers=b:1, group.id=g, enable.auto.commit=false, enable.auto.offset.store=false, enable.partition.eof=true, max.poll.interval.ms=20000, "
            + "auto.offset.reset=earliest, session.timeout.ms=20000, group.instance.id=one, fetch.min.bytes=3",
            config.Describe());
    }

    [Theory]
    [InlineData(AutoOffsetReset.Earliest, true, "error")]
    [InlineData(AutoOffsetReset.Earliest, false, "earliest")]
    [InlineData(AutoOffsetReset.Latest, false, "latest")]
    [InlineData(AutoOffsetReset.Error, false, "error")]
    public void A_strict_reset_is_never_left_to_librdkafka(AutoOffsetReset reset, bool strict, string expected)
    {
        KafkaConfig config = new KafkaConsumerOptions
        {
            Address = new KafkaAddress("b:1", ["t"], "g", []),
            AutoOffsetReset = reset,
            StrictOffsetReset = strict,
        }.ToConfig();
        Assert.Contains(config.Properties, p => p.Key == "auto.offset.reset" && p.Value == expected);
    }

    [Fact]
    public void A_producer_loses_and_repeats_nothing_unless_told_otherwise()
    {
        Assert.Equal("enable.idempotence=true, acks=all, message.timeout.ms=0", KafkaProducer.WithDelivery(new KafkaConfig()).Describe());
        Assert.Equal(
            "transactional.id=x, enable.idempotence=true, acks=all", KafkaProducer.WithDelivery(new KafkaConfig().Set("transactional.id", "x")).Describe());
    }

    [Theory]
    [InlineData("", "0")]
    [InlineData("7", "7")]
    public void A_batch_of_segments_waits_for_no_others_unless_told_to(string given, string expected)
    {
        KafkaConfig config = new KafkaOutputOptions
        {
            Address = new KafkaAddress("b:1", ["t"], "", []),
            Config = given.Length > 0 ? new KafkaConfig().Set("linger.ms", given) : new KafkaConfig(),
        }.ToConfig(1 << 20);
        Assert.Equal(expected, config.Properties.Single(p => p.Key == "linger.ms").Value);
    }
}
