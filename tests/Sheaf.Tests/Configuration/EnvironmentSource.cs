using Sheaf.Configuration;
using Xunit;

namespace Sheaf.Tests.Configuration;

public class EnvironmentSource
{
    private static ConfigurationLayer Read(params (string Name, string Text)[] variables) =>
        EnvironmentLayer.Read(variables.ToDictionary(v => v.Name, v => v.Text));

    [Fact]
    public void Every_option_has_a_variable()
    {
        ConfigurationLayer layer = Read([.. OptionTable.All.Select(o => ("SHEAF_" + o.Name.ToUpperInvariant().Replace('-', '_'), "x"))]);
        Assert.Empty(layer.Faults);
        Assert.Equal(OptionTable.All, layer.Values.Select(v => v.Option));
        Assert.Contains(layer.Values, v => v.Source.Text == "SHEAF_MAX_FLUSH_SEGMENTS");
    }

    [Fact]
    public void An_empty_variable_is_not_set()
    {
        ConfigurationLayer layer = Read(("SHEAF_SHARDS", ""), ("SHEAF_NONSENSE", ""));
        Assert.Empty(layer.Values);
        Assert.Empty(layer.Faults);
    }

    [Theory]
    [InlineData("SHEAF_MAX_FLUSH_SEGMENT", "; did you mean SHEAF_MAX_FLUSH_SEGMENTS?")]
    [InlineData("SHEAF_shards", "; did you mean SHEAF_SHARDS?")]
    [InlineData("SHEAF_ZZZZZZZZZZ", "")]
    public void An_unknown_variable_is_a_fault(string name, string hint) =>
        Assert.Equal($"{name}: there is no such variable{hint} (environment)", Assert.Single(Read((name, "x")).Faults).ToString());

    [Theory]
    [InlineData("SHEAF_SERVICE_HOST")]
    [InlineData("SHEAF_SERVICE_PORT")]
    [InlineData("SHEAF_SERVICE_PORT_HTTP")]
    [InlineData("SHEAF_PORT")]
    [InlineData("SHEAF_PORT_9090_TCP")]
    [InlineData("SHEAF_PORT_9090_TCP_ADDR")]
    [InlineData("SHEAF_REDIS_SERVICE_HOST")]
    [InlineData("SHEAF_REDIS_PORT_6379_TCP_PROTO")]
    [InlineData("SHEAF_CONFORMANCE_DIR")]
    [InlineData("SHEAF_FAULT_POINTS")]
    [InlineData("SHEAF_LIBRDKAFKA")]
    [InlineData("SHEAF_TEST_KAFKA_DIR")]
    public void Variables_that_are_not_meant_for_options_are_passed_over(string name)
    {
        ConfigurationLayer layer = Read((name, "tcp://10.0.0.1:9090"));
        Assert.Empty(layer.Values);
        Assert.Empty(layer.Faults);
    }

    [Fact]
    public void No_option_looks_like_a_service_link() =>
        Assert.All(OptionTable.All, o => Assert.Single(Read((o.VariableName, "x")).Values));
}
