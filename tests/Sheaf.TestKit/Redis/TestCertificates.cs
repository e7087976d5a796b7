using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Sheaf.TestKit.Redis;

/// <summary>An authority, a server certificate for <c>localhost</c> and a client certificate, as PEM files in a folder of their own.</summary>
public sealed class TestCertificates : IDisposable
{
    private readonly TempFolder _folder = new();

    public TestCertificates()
    {
        DateTimeOffset from = TimeProvider.System.GetUtcNow().AddDays(-1);
        DateTimeOffset to = from.AddDays(30);
        using ECDsa caKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=Sheaf test authority", caKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        using X509Certificate2 ca = request.CreateSelfSigned(from, to);
        File.WriteAllText(CaFile, ca.ExportCertificatePem());
        Issue(ca, "CN=localhost", ServerCertificateFile, ServerKeyFile, from, to, isServer: true);
        Issue(ca, "CN=Sheaf test client", ClientCertificateFile, ClientKeyFile, from, to, isServer: false);
    }

    public string CaFile => _folder.File("ca.pem");

    public string ServerCertificateFile => _folder.File("server.pem");

    public string ServerKeyFile => _folder.File("server.key");

    public string ClientCertificateFile => _folder.File("client.pem");

    public string ClientKeyFile => _folder.File("client.key");

    public void Dispose() => _folder.Dispose();

    private static void Issue(X509Certificate2 ca, string name, string certificateFile, string keyFile, DateTimeOffset from, DateTimeOffset to, bool isServer)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: false));
        if (isServer)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName("localhost");
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
        }
        byte[] serial = RandomNumberGenerator.GetBytes(8);
        serial[0] &= 0x7F;
        using X509Certificate2 certificate = request.Create(ca, from, to.AddDays(-1), serial);
        File.WriteAllText(certificateFile, certificate.ExportCertificatePem());
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
    }
}
