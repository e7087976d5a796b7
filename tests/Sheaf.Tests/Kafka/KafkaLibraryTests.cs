using Sheaf.Kafka;
using Sheaf.TestKit;

namespace Sheaf.Tests.Kafka;

public class KafkaLibraryTests
{
    [Fact]
    public void A_library_that_is_missing_is_named_with_what_to_install()
    {
        using var folder = new TempFolder();
        string message = Assert.Throws<ConfigurationException>(() => KafkaLibrary.Load(folder.Root)).Message;
        Assert.Contains("librdkafka 2.0.0 or newer", message, StringComparison.Ordinal);
        Assert.Contains(folder.Root, message, StringComparison.Ordinal);
        Assert.Contains(KafkaLibrary.PathVariable, message, StringComparison.Ordinal);
        string package = OperatingSystem.IsLinux() ? "apt-get install librdkafka1" : OperatingSystem.IsMacOS() ? "brew install librdkafka" : "librdkafka.redist";
        Assert.Contains(package, message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_no_library_is_said_to_be_there()
    {
        using var folder = new TempFolder();
        string file = folder.File("librdkafka.so.1");
        File.WriteAllText(file, "no library");
        string message = Assert.Throws<ConfigurationException>(() => KafkaLibrary.Load(file)).Message;
        Assert.Contains($"{file} is there, but cannot be loaded", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x010900ff, "1.9.0")]
    [InlineData(0x000b06ff, "0.11.6")]
    public void A_version_that_is_too_old_is_named(int version, string text)
    {
        string? refusal = KafkaLibrary.TooOld(version, "librdkafka.so.1");
        Assert.Contains($"librdkafka.so.1 is librdkafka {text}; Kafka needs 2.0.0 or newer", refusal, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x020000ff)]
    [InlineData(0x021000ff)]
    [InlineData(0x030000ff)]
    public void A_version_from_the_oldest_that_will_do_on_is_taken(int version) => Assert.Null(KafkaLibrary.TooOld(version, "librdkafka.so.1"));
}
