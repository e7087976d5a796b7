using System.Text;
using Sheaf.Kafka;
using Sheaf.Segments;
using Sheaf.Supervision;
using Xunit;

namespace Sheaf.Tests.Supervision;

public class WorkerAssignmentTests
{
    private static readonly WorkerAssignment Full = new()
    {
        ControlBlock = "/proc/1/fd/2",
        Worker = 3,
        Shards = [3, 7],
        Rules = new SegmentRules(1, 2, 3, 4),
        Buffer = new BufferAddress("redis://:p%40ss\n\"@host:6379/0") { SliceId = 7, TtlSeconds = 60, CompressionLevel = 3, MaxBytes = 77, Source = "spans.jsonl" },
        Output = "/tmp/ou t.jsonl",
        WithHeaders = true,
        ProduceBytes = 5,
        FaultPoints = "AfterClaim=kill@1*",
        FaultSeed = -6,
    };

    [Fact]
    public void It_is_one_line_and_comes_back_as_it_was()
    {
        byte[] line = Full.ToJson();
        Assert.DoesNotContain((byte)'\n', line);
        Assert.True(WorkerAssignment.TryRead(line, out WorkerAssignment read));
        Assert.Equal(Full.Shards, read.Shards);
        Assert.Equal(Full, read with { Shards = Full.Shards });
    }

    [Fact]
    public void The_words_on_the_line_are_frozen() => Assert.Equal(
        """{"control_block":"/proc/1/fd/2","worker":3,"shards":[3,7],"rules":{"timeout_ms":1,"root_timeout_ms":2,"max_segment_age_ms":3,"max_segment_bytes":4}"""
        + ""","buffer":{"address":"redis://:p%40ss\n\u0022@host:6379/0","slice_id":7,"ttl_seconds":60,"compression_level":3,"max_bytes":77,"source":"spans.jsonl","format":0},"output":"/tmp/ou t.jsonl","with_headers":"""
        + """true,"produce_bytes":5,"fault_points":"AfterClaim=kill@1*","fault_seed":-6}""",
        Encoding.UTF8.GetString(Full.ToJson()));

    [Theory]
    [InlineData("")]
    [InlineData("hello")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("{\"control_block\":\"x\",\"worker\":-1,\"shards\":[1],\"rules\":{},\"buffer\":{\"address\":\"a\"},\"output\":\"o\"}")]
    [InlineData("{\"control_block\":\"x\",\"worker\":0,\"shards\":[],\"rules\":{},\"buffer\":{\"address\":\"a\"},\"output\":\"o\"}")]
    [InlineData("{\"control_block\":null,\"worker\":0,\"shards\":[0],\"rules\":{},\"buffer\":{\"address\":\"a\"},\"output\":\"o\"}")]
    public void Anything_else_is_no_assignment(string line) => Assert.False(WorkerAssignment.TryRead(Encoding.UTF8.GetBytes(line), out _));

    [Fact]
    public void Topics_come_through_with_their_secrets_and_show_none()
    {
        var kafka = new KafkaOutputAddress("a:1", ["t"], [new("sasl.password", "s3cret")], KafkaKeyChoice.Trace, "zstd", 100, 200);
        Assert.True(WorkerAssignment.TryRead((Full with { KafkaOutput = kafka }).ToJson(), out WorkerAssignment read));
        KafkaOutputOptions options = read.KafkaOutput!.ToOptions();
        Assert.Equal(("a:1", "t", "zstd", 100), (options.Address.Brokers, options.Address.Topic, options.Compression, options.MaxSegmentBytes));
        Assert.Equal([new("sasl.password", "s3cret")], options.Config.Properties);
        Assert.Equal((KafkaKeyChoice.Trace, 200), (options.Key, read.KafkaOutput.MaxMessageBytes));
        Assert.DoesNotContain("s3cret", read.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Its_text_for_people_has_no_secret() => Assert.DoesNotContain("p%40ss", Full.ToString(), StringComparison.Ordinal);

    [Theory]
    [InlineData("/usr/bin/sheaf", "/usr/bin/sheaf flusher-worker")]
    [InlineData("/usr/bin/dotnet", "/usr/bin/dotnet /app/sheaf.dll flusher-worker")]
    [InlineData("/app/testhost", "dotnet /app/sheaf.dll flusher-worker")]
    [InlineData(null, "dotnet /app/sheaf.dll flusher-worker")]
    public void The_command_is_this_program_or_the_library_beside_it(string? processPath, string expected) =>
        Assert.Equal(expected, WorkerCommandLine.Of(processPath, "/app").ToString());
}
