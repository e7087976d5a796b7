using Sheaf.Kafka;
using Sheaf.TestKit;

namespace Sheaf.Tests.Kafka;

public class KafkaLibraryTests
{
    [Fact]
    public void The_library_comes_with_the_program_and_nothing_has_to_be_installed()
    {
        string packages = File.ReadAllText(Path.Combine(RepositoryFiles.Root, "Directory.Packages.props"));
        Assert.Contains($"Include=\"librdkafka.redist\" Version=\"{KafkaLibrary.Version}\"", packages, StringComparison.Ordinal);
    }

    [Fact]
    public void A_library_that_was_named_and_is_missing_is_said_with_what_to_install()
    {
        using var folder = new TempFolder();
        string message = Assert.Throws<ConfigurationException>(() => KafkaLibrary.Load(folder.Root)).Message;
        Assert.Contains($"in {folder.Root} (named by SHEAF_LIBRDKAFKA)", message, StringComparison.Ordinal);
        Assert.Contains("Install librdkafka 2.6.1 or newer", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_no_library_is_said_to_exist()
    {
        using var folder = new TempFolder();
        string file = folder.File("librdkafka.so.1");
        File.WriteAllText(file, "no library");
        string message = Assert.Throws<ConfigurationException>(() => KafkaLibrary.Load(file)).Message;
        Assert.Contains($"{file} exists, but cannot be loaded", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x010900ff, "1.9.0")]
    [InlineData(0x020000ff, "2.0.0")]
    [InlineData(0x020600ff, "2.6.0")]
    public void A_version_that_is_too_old_is_named(int version, string text)
    {
        string? refusal = KafkaLibrary.TooOld(version, "librdkafka.so.1");
        Assert.Contains($"librdkafka.so.1 is librdkafka {text}; Kafka needs 2.6.1 or newer", refusal, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x020601ff)]
    [InlineData(0x021000ff)]
    [InlineData(0x030000ff)]
    public void A_version_from_the_oldest_that_will_do_on_is_taken(int version) => Assert.Null(KafkaLibrary.TooOld(version, "librdkafka.so.1"));
}
