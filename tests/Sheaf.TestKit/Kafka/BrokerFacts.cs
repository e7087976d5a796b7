using System.Reflection;
using Xunit;
using Xunit.Sdk;

namespace Sheaf.TestKit.Kafka;

/// <summary>A test for a real Apache Kafka: with the mock cluster it is skipped, and says what that cannot do.</summary>
public sealed class RealBrokerFactAttribute : FactAttribute
{
    /// <param name="lacking">What the mock cluster does not do.</param>
    public RealBrokerFactAttribute(string lacking) => Skip = BrokerNeeds.WhyNotReal(lacking);
}

/// <inheritdoc cref="RealBrokerFactAttribute"/>
public sealed class RealBrokerTheoryAttribute : TheoryAttribute
{
    /// <inheritdoc cref="RealBrokerFactAttribute(string)"/>
    public RealBrokerTheoryAttribute(string lacking) => Skip = BrokerNeeds.WhyNotReal(lacking);
}

/// <summary>A case of a theory that is for a real Apache Kafka.</summary>
public sealed class RealBrokerDataAttribute : DataAttribute
{
    private readonly object[] _arguments;

    /// <param name="lacking">What the mock cluster does not do.</param>
    /// <param name="arguments">Of the test.</param>
    public RealBrokerDataAttribute(string lacking, params object[] arguments)
    {
        _arguments = arguments;
        Skip = BrokerNeeds.WhyNotReal(lacking);
    }

    /// <inheritdoc/>
    public override IEnumerable<object[]> GetData(MethodInfo testMethod) => [_arguments];
}

/// <summary>A test that stops its broker: with one that is somebody else's it is skipped.</summary>
public sealed class HaltingBrokerFactAttribute : FactAttribute
{
    public HaltingBrokerFactAttribute() => Skip = BrokerNeeds.WhyNotHalted();

    /// <param name="lacking">What the mock cluster does not do.</param>
    public HaltingBrokerFactAttribute(string lacking) => Skip = BrokerNeeds.WhyNotHalted() ?? BrokerNeeds.WhyNotReal(lacking);
}

/// <inheritdoc cref="HaltingBrokerFactAttribute"/>
public sealed class HaltingBrokerTheoryAttribute : TheoryAttribute
{
    public HaltingBrokerTheoryAttribute() => Skip = BrokerNeeds.WhyNotHalted();
}

/// <summary>A theory for a broker of its own, with users and rights: skipped where none can be started.</summary>
public sealed class SecuredBrokerTheoryAttribute : TheoryAttribute
{
    public SecuredBrokerTheoryAttribute() => Skip = BrokerNeeds.WhyNotStarted();
}

/// <inheritdoc cref="SecuredBrokerTheoryAttribute"/>
public sealed class SecuredBrokerFactAttribute : FactAttribute
{
    public SecuredBrokerFactAttribute() => Skip = BrokerNeeds.WhyNotStarted();
}

/// <summary>A test for a cluster of several brokers of its own: skipped where none can be started.</summary>
public sealed class BrokerClusterFactAttribute : FactAttribute
{
    public BrokerClusterFactAttribute() => Skip = BrokerNeeds.WhyNoCluster();
}

internal static class BrokerNeeds
{
    public static string? WhyNoCluster() => KafkaBroker.FindScript() is null ? "starts three brokers: needs SHEAF_TEST_KAFKA_DIR" : null;

    public static string? WhyNotStarted() =>
        KafkaBroker.FindScript() is null ? "starts an Apache Kafka with TLS, users and rights: needs SHEAF_TEST_KAFKA_DIR" : null;

    public static string? WhyNotReal(string lacking) =>
        KafkaBroker.ChosenKind == KafkaBrokerKind.Mock ? $"needs a real Apache Kafka (SHEAF_TEST_KAFKA_DIR, SHEAF_TEST_KAFKA); of librdkafka's mock cluster: {lacking}" : null;

    public static string? WhyNotHalted() =>
        KafkaBroker.ChosenKind == KafkaBrokerKind.Given ? "stops its broker, and the one in SHEAF_TEST_KAFKA is somebody else's" : null;
}
