using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Sheaf.Configuration;
using Sheaf.Kafka;
using Sheaf.TestKit;
using Sheaf.Tests.Commands;
using YamlDotNet.RepresentationModel;

namespace Sheaf.Tests.Docs;

/// <summary>What deploy/ starts is what the program takes: its files are parsed, and their arguments, variables and configuration bound by the program itself. No image is built here.</summary>
public partial class DeployFilesTests
{
    /// <summary>What a platform is to wait longer than a stop may take: an end in good time is not to be cut off.</summary>
    private static readonly TimeSpan s_margin = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task What_the_compose_file_starts_is_a_run_that_binds()
    {
        YamlNode service = Compose()["services"]["sheaf"];
        ProcessSpansPlan plan = await BindAsync(Texts(service["command"]), Pairs(service["environment"]));
        Assert.Equal("ingest-spans", plan.KafkaInput!.Consumer.Address.Topic);
        Assert.IsType<BufferTarget.Redis>(plan.Buffer);
        Assert.True(Seconds(Text(service["stop_grace_period"])) >= plan.ShutdownTimeout + s_margin);
    }

    [Fact]
    public async Task What_the_kubernetes_manifest_starts_is_a_run_that_binds()
    {
        (YamlNode pod, YamlNode container) = Pod();
        var variables = new Dictionary<string, string>();
        foreach (YamlNode entry in Items(container["env"])) variables.Add(Text(entry["name"]), Value(entry));
        using var folder = new TempFolder();
        // The ConfigMap's file, where the arguments name it.
        string mount = Mount(container, "config");
        string[] words = [.. Texts(container["args"]).Select(word => word.StartsWith(mount + "/", StringComparison.Ordinal) ? folder.File(word[(mount.Length + 1)..]) : word)];
        foreach ((YamlNode file, YamlNode text) in (YamlMappingNode)Resource("ConfigMap")["data"]) File.WriteAllText(folder.File(Text(file)), Text(text));

        ProcessSpansPlan plan = await BindAsync(words, variables);

        Assert.Equal("sheaf-0", plan.KafkaInput!.Consumer.GroupInstanceId);
        Assert.IsType<BufferTarget.Redis>(plan.Buffer);
        Assert.True(Seconds(Text(pod["terminationGracePeriodSeconds"])) >= plan.ShutdownTimeout + s_margin);
        Assert.Contains(mount + "/", string.Join(' ', Texts(container["args"])), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_file_means_the_image_that_the_dockerfile_makes()
    {
        string version = XDocument.Load(Path.Combine(RepositoryFiles.Root, "Directory.Build.props")).Descendants("Version").Single().Value;
        YamlNode service = Compose()["services"]["sheaf"];
        YamlNode container = Pod().Container;
        string dockerfile = Text(service["build"]["dockerfile"]);
        string[] lines = File.ReadAllLines(Path.Combine(RepositoryFiles.Root, "deploy", Text(service["build"]["context"]), dockerfile));
        Assert.Equal($"sheaf:{version}", Text(service["image"]));
        Assert.Equal($"sheaf:{version}", Text(container["image"]));
        Assert.Contains($"-f {dockerfile} -t sheaf:{version} .", lines[0], StringComparison.Ordinal);
        // Where relative paths begin must be writable: the root is not.
        Assert.Equal(Mount(container, "work"), lines.Last(line => line.StartsWith("WORKDIR ", StringComparison.Ordinal))["WORKDIR ".Length..]);
    }

    [Fact]
    public void The_dockerfile_publishes_the_program_and_what_it_loads()
    {
        string text = File.ReadAllText(Path.Combine(RepositoryFiles.Root, "deploy", "Dockerfile"));
        Match publish = Publish().Match(text);
        Assert.True(File.Exists(Path.Combine(RepositoryFiles.Root, publish.Groups["project"].Value, "Sheaf.csproj")), publish.Value);
        Match copied = CopiedFrom().Match(text);
        Assert.Equal(publish.Groups["to"].Value, copied.Groups["from"].Value);
        Assert.Contains($"ENTRYPOINT [\"{copied.Groups["to"].Value}/sheaf\"]", text, StringComparison.Ordinal);
        Assert.DoesNotContain("apt-get", text, StringComparison.Ordinal); // packages bring what is native
        string framework = XDocument.Load(Path.Combine(RepositoryFiles.Root, "Directory.Build.props")).Descendants("TargetFramework").Single().Value;
        Assert.Equal(2, Regex.Count(text, "dotnet/" + "(sdk|aspnet):" + Regex.Escape(framework["net".Length..]) + @"\b"));
    }

    /// <summary>Whoever starts it sees segments: something feeds the topic that Sheaf reads, and something prints the one that it writes.</summary>
    [Fact]
    public async Task What_the_compose_file_starts_is_fed_and_shown()
    {
        YamlNode services = Compose()["services"];
        ProcessSpansPlan plan = await BindAsync(Texts(services["sheaf"]["command"]), Pairs(services["sheaf"]["environment"]));
        string[] load = Texts(services["load"]["command"]);
        Assert.Equal(Text(services["sheaf"]["image"]), Text(services["load"]["image"]));
        KafkaAddress input = plan.KafkaInput!.Consumer.Address, output = plan.KafkaOutput!.Address;
        Assert.Equal($"kafka://{input.Brokers}/{input.Topic}", ValueOf(load, "--output"));
        // Time goes on in the load as it does outside, or the brokers' timestamps would tear its traces.
        Assert.Equal(ValueOf(load, "--rate"), ValueOf(load, "--stream-rate"));
        var host = new TestHost();
        Assert.Equal(0, await host.RunAsync([.. load[..2], "--spans", "1", "--output", "/dev/null", "--rate", ValueOf(load, "--rate"), "--stream-rate", ValueOf(load, "--stream-rate")]));

        string[] shown = Texts(services["segments"]["command"]);
        Assert.Equal((output.Topic, output.Brokers), (ValueOf(shown, "--topic"), ValueOf(shown, "--bootstrap-server")));
        string topics = string.Concat(Texts(services["topics"]["command"]));
        Assert.All((string[])[input.Topic, output.Topic], topic => Assert.Contains($"--topic {topic} ", topics, StringComparison.Ordinal));
    }

    [Fact]
    public void The_output_topic_takes_the_largest_segment()
    {
        string commands = string.Concat(Texts(Compose()["services"]["topics"]["command"]));
        Match limit = MaxMessageBytes().Match(commands);
        Assert.Equal((10 << 20) + Sheaf.Kafka.KafkaOutput.MessageOverhead, int.Parse(limit.Groups[1].Value, CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("--no-such-option")]
    [InlineData("--max-batch-size", "0")]
    public async Task A_word_that_the_program_does_not_take_is_seen(params string[] more)
    {
        YamlNode service = Compose()["services"]["sheaf"];
        var host = new TestHost();
        Assert.Equal(2, await host.RunAsync([.. Texts(service["command"]), .. more]));
    }

    private static async Task<ProcessSpansPlan> BindAsync(string[] words, Dictionary<string, string> variables)
    {
        var host = new TestHost();
        foreach ((string name, string value) in variables) host.Variables.Add(name, value);
        int exitCode = await host.RunAsync(words);
        Assert.True(exitCode == 0, host.Error);
        return host.Plan!;
    }

    private static string ValueOf(string[] words, string option) => words[Array.IndexOf(words, option) + 1];

    private static YamlNode Compose() => Documents("compose.yaml").Single();

    private static (YamlNode Pod, YamlNode Container) Pod()
    {
        YamlNode pod = Resource("StatefulSet")["spec"]["template"]["spec"];
        return (pod, Items(pod["containers"]).Single());
    }

    private static YamlNode Resource(string kind) => Documents("kubernetes.yaml").Single(d => Text(d["kind"]) == kind);

    private static IEnumerable<YamlNode> Documents(string file)
    {
        var yaml = new YamlStream();
        using StreamReader reader = File.OpenText(Path.Combine(RepositoryFiles.Root, "deploy", file));
        yaml.Load(reader);
        return yaml.Documents.Select(d => d.RootNode);
    }

    /// <summary>A variable as the first pod has it.</summary>
    private static string Value(YamlNode entry)
    {
        YamlNode from = entry["valueFrom"];
        if (from is not YamlMappingNode mapping || !mapping.Children.ContainsKey("secretKeyRef"))
        {
            Assert.Equal("metadata.name", Text(from["fieldRef"]["fieldPath"]));
            return $"{Text(Resource("StatefulSet")["metadata"]["name"])}-0";
        }
        YamlNode secret = Resource("Secret");
        Assert.Equal(Text(secret["metadata"]["name"]), Text(from["secretKeyRef"]["name"]));
        return Text(secret["stringData"][Text(from["secretKeyRef"]["key"])]);
    }

    private static string Mount(YamlNode container, string name) => Text(Items(container["volumeMounts"]).Single(m => Text(m["name"]) == name)["mountPath"]);

    private static TimeSpan Seconds(string text) => TimeSpan.FromSeconds(int.Parse(text.TrimEnd('s'), CultureInfo.InvariantCulture));

    private static IEnumerable<YamlNode> Items(YamlNode node) => (YamlSequenceNode)node;

    private static string[] Texts(YamlNode node) => [.. Items(node).Select(Text)];

    private static Dictionary<string, string> Pairs(YamlNode node) => ((YamlMappingNode)node).ToDictionary(p => Text(p.Key), p => Text(p.Value));

    private static string Text(YamlNode node) => ((YamlScalarNode)node).Value!;

    [GeneratedRegex("dotnet publish (?<project>\\S+) .*-o (?<to>\\S+)")]
    private static partial Regex Publish();

    [GeneratedRegex("COPY --from=build (?<from>\\S+) (?<to>\\S+)")]
    private static partial Regex CopiedFrom();

    [GeneratedRegex("max\\.message\\.bytes=(\\d+)")]
    private static partial Regex MaxMessageBytes();
}
