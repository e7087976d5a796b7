using System.Globalization;
using Sheaf.TestKit.Redis;

namespace Sheaf.TestKit.Kafka;

/// <summary>
/// An Apache Kafka that asks who one is and checks rights. One listener takes everybody, who may do everything: for the tests' own clients. The others are for TLS with a user (PLAIN,
/// SCRAM, OAUTHBEARER with tokens that nobody has signed) and for TLS with a client's certificate; user <see cref="User"/> has the rights that it was given here, others have none. It is
/// started at the first use, and ended with this object.
/// </summary>
public sealed class SecuredBroker : IDisposable
{
    public const string User = "sheaf", Password = "sheafs-password", Stranger = "stranger";

    private readonly TempFolder _folder = new();
    private readonly TestCertificates _certificates = new();
    private readonly Lazy<KafkaBroker> _open;
    private readonly int _userPort = RedisServer.FreePort(), _certificatePort = RedisServer.FreePort();
    private bool _isStarted; // in part at least

    public SecuredBroker() => _open = new Lazy<KafkaBroker>(Start);

    /// <summary>The listener for everybody.</summary>
    public KafkaBroker Open => _open.Value;

    /// <summary>The listener for users with passwords or tokens.</summary>
    public string ForUsers => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{_userPort}");

    /// <summary>The listener for clients with a certificate, which is <see cref="User"/>'s.</summary>
    public string ForCertificates => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{_certificatePort}");

    /// <summary>librdkafka's properties for TLS.</summary>
    public (string Name, string Value) Authority => ("ssl.ca.location", _certificates.CaFile);

    /// <summary>librdkafka's properties for the client's certificate.</summary>
    public (string Name, string Value)[] Certificate => [("ssl.certificate.location", _certificates.ClientCertificateFile), ("ssl.key.location", _certificates.ClientKeyFile)];

    private static string Script => KafkaBroker.FindScript()!;

    /// <summary>Gives rights.</summary>
    /// <param name="words">Of Kafka's own command, behind <c>--add</c>.</param>
    public void Allow(string[] words) => KafkaBroker.RunProgram(
        "java", ["-cp", Path.Combine(Path.GetDirectoryName(Script)!, "libs", "*"), "org.apache.kafka.tools.AclCommand", "--bootstrap-server", Open.Brokers, "--add", .. words]);

    public void Dispose()
    {
        if (_open.IsValueCreated) _open.Value.Dispose();
        if (_isStarted) KafkaBroker.RunProgram(Script, "stop", _folder.Root);
        _certificates.Dispose();
        _folder.Dispose();
    }

    private KafkaBroker Start()
    {
        _isStarted = true;
        KafkaBroker.StartWatcher(Script, _folder.Root);
        string open = KafkaBroker.RunProgram(Script, "start", _folder.Root).Trim();
        KafkaBroker.RunProgram(
            Script, "configs", "--bootstrap-server", open, "--alter", "--entity-type", "users", "--entity-name", User,
            "--add-config", $"SCRAM-SHA-512=[password={Password}]");
        KafkaBroker.RunProgram(Script, "stop", _folder.Root);
        string properties = Path.Combine(_folder.Root, "1", "server.properties");
        File.WriteAllText(properties, Secure(File.ReadAllText(properties)));
        KafkaBroker.RunProgram(Script, "restart", _folder.Root, "1"); // clients find it when it is up
        return new KafkaBroker(open);
    }

    private string Secure(string properties)
    {
        string store = _folder.File("keystore.pem");
        File.WriteAllText(store, File.ReadAllText(_certificates.ServerKeyFile) + "\n" + File.ReadAllText(_certificates.ServerCertificateFile));
        string more = $",USERS://{ForUsers},CERTIFICATES://{ForCertificates}";
        IEnumerable<string> lines = properties.Split('\n').Select(line => line switch
        {
            _ when line.StartsWith("listeners=", StringComparison.Ordinal) || line.StartsWith("advertised.listeners=", StringComparison.Ordinal) => line + more,
            _ when line.StartsWith("listener.security.protocol.map=", StringComparison.Ordinal) => line + ",USERS:SASL_SSL,CERTIFICATES:SSL",
            _ => line,
        });
        const string Module = "org.apache.kafka.common.security";
        return string.Join('\n', lines) + $"""

            ssl.keystore.type=PEM
            ssl.keystore.location={store}
            ssl.truststore.type=PEM
            ssl.truststore.location={_certificates.CaFile}
            listener.name.certificates.ssl.client.auth=required
            listener.name.certificates.ssl.principal.mapping.rules=RULE:^CN=Sheaf test client$/{User}/
            listener.name.users.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512,OAUTHBEARER
            listener.name.users.plain.sasl.jaas.config={Module}.plain.PlainLoginModule required user_{User}="{Password}" user_{Stranger}="{Password}";
            listener.name.users.scram-sha-512.sasl.jaas.config={Module}.scram.ScramLoginModule required;
            listener.name.users.oauthbearer.sasl.jaas.config={Module}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
            authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
            super.users=User:ANONYMOUS

            """.Replace("            ", "", StringComparison.Ordinal);
    }
}
