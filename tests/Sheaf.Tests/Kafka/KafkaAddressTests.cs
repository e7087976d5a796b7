using Sheaf.Kafka;

namespace Sheaf.Tests.Kafka;

public class KafkaAddressTests
{
    [Theory]
    [InlineData("kafka://b/t?group=g", "b:9092", "t", "g")]
    [InlineData("KAFKA://b:1,c:65535/a.b_c-D?group=g", "b:1,c:65535", "a.b_c-D", "g")]
    [InlineData("kafka://[::1]/t?group=g", "[::1]:9092", "t", "g")]
    [InlineData("kafka://[::1]:19092,b/t?group=a%20b", "[::1]:19092,b:9092", "t", "a b")]
    [InlineData("kafka://b/t?group.id=g", "b:9092", "t", "g")]
    [InlineData("kafka://b/t", "b:9092", "t", "")]
    public void An_input_has_brokers_topic_and_group(string text, string brokers, string topic, string group)
    {
        Assert.True(KafkaAddress.TryParse(text, KafkaAddressRole.Input, out KafkaAddress address, out string problem), problem);
        Assert.Equal((brokers, topic, group), (address.Brokers, address.Topic, address.Group));
        Assert.Empty(address.Properties);
        Assert.Equal($"kafka://{brokers}/{topic}", address.ToString());
    }

    [Fact]
    public void An_output_has_one_topic_or_several_and_properties()
    {
        Assert.True(KafkaAddress.TryParse(
            "kafka://b/t,u?security.protocol=ssl&ssl.ca.location=%2Fetc%2Fca.pem", KafkaAddressRole.Output, out KafkaAddress address, out string problem), problem);
        Assert.Equal(["t", "u"], address.Topics.AsEnumerable());
        Assert.Equal([new("security.protocol", "ssl"), new("ssl.ca.location", "/etc/ca.pem")], address.Properties.AsEnumerable());
    }

    [Theory]
    [InlineData("file:///x", "kafka://")]
    [InlineData("kafka://", "broker ''")]
    [InlineData("kafka:///t?group=g", "broker ''")]
    [InlineData("kafka://b,/t?group=g", "broker ''")]
    [InlineData("kafka://b:0/t?group=g", "port '0'")]
    [InlineData("kafka://b:65536/t?group=g", "port '65536'")]
    [InlineData("kafka://b:x/t?group=g", "port 'x'")]
    [InlineData("kafka://b c/t?group=g", "broker 'b c'")]
    [InlineData("kafka://b", "topic is missing")]
    [InlineData("kafka://b/?group=g", "topic is missing")]
    [InlineData("kafka://b/t,u?group=g", "an input has one topic")]
    [InlineData("kafka://b/^t.*?group=g", "topic '^t.*'")]
    [InlineData("kafka://b/..?group=g", "topic '..'")]
    [InlineData("kafka://b/t?group=", "parameter group: its value is missing")]
    [InlineData("kafka://b/t?group=g&group.instance.id=me", "parameter group.instance.id is set by Sheaf: use --group-instance-id")]
    [InlineData("kafka://b/t?group=g&enable.auto.commit=true", "parameter enable.auto.commit must stay false")]
    [InlineData("kafka://b/t?gruop=g", "parameter gruop")]
    [InlineData("kafka://b/t?group=g&linger.ms", "parameter linger.ms: its value is missing")]
    [InlineData("kafka://b/t?group=g&sasl.password=hunter2", "parameter sasl.password: a secret")]
    [InlineData("kafka://u:hunter2@b/t?group=g", "user and password")]
    public void A_problem_names_the_part_and_the_way_out(string text, string part)
    {
        Assert.False(KafkaAddress.TryParse(text, KafkaAddressRole.Input, out _, out string problem));
        Assert.Contains(part, problem, StringComparison.Ordinal);
        Assert.Contains("kafka://HOST:PORT[,HOST:PORT]/TOPIC?group=NAME", problem, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("kafka://b/t,t", "stands there twice")]
    [InlineData("kafka://b/t?group=g", "parameter group")]
    [InlineData("kafka://b/t,", "topic ''")]
    public void An_output_has_problems_of_its_own(string text, string part)
    {
        Assert.False(KafkaAddress.TryParse(text, KafkaAddressRole.Output, out _, out string problem));
        Assert.Contains(part, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_longest_topic_has_249_characters()
    {
        Assert.True(KafkaAddress.TryParse($"kafka://b/{new string('t', 249)}", KafkaAddressRole.Output, out _, out _));
        Assert.False(KafkaAddress.TryParse($"kafka://b/{new string('t', 250)}", KafkaAddressRole.Output, out _, out _));
    }
}
