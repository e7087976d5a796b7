using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Sheaf.Redis.Resp;

/// <summary>
/// The certificates of a <see cref="RedisTls"/>, read from their files, and again when a connection is made after these have changed: certificates are
/// renewed while a run lasts. Thread-safe. Owner: the client.
/// </summary>
internal sealed class TlsCredentials
{
    private readonly RedisTls _settings;
    private volatile Certificates _read;

    /// <exception cref="RedisRefusedException">A file cannot be read.</exception>
    public TlsCredentials(RedisTls settings)
    {
        _settings = settings;
        _read = new Certificates(settings);
    }

    public bool HasClientCertificate => _settings.CertificateFile != "";

    /// <summary>Those that are in the files now. While one is just being exchanged, those that were there.</summary>
    private Certificates Now()
    {
        Certificates read = _read;
        try
        {
            return read.AreThoseOf(_settings) ? read : _read = new Certificates(_settings);
        }
        catch (RedisRefusedException)
        {
            return read;
        }
    }

    /// <summary>Agrees on TLS with the server.</summary>
    /// <param name="host">The name that its certificate must have, unless the settings say another.</param>
    /// <param name="place">Whom we talk to, in messages.</param>
    /// <exception cref="RedisRefusedException">Either side does not trust the other.</exception>
    /// <exception cref="IOException">The connection is lost, or it took too long.</exception>
    public async ValueTask<SslStream> AuthenticateAsync(Stream inner, string host, string place, CancellationToken cancel)
    {
        string name = _settings.Host == "" ? host : _settings.Host;
        string? distrust = null;
        Certificates now = Now();
        var stream = new SslStream(inner, leaveInnerStreamOpen: false);
        try
        {
            var options = new SslClientAuthenticationOptions
            {
                TargetHost = name,
                ClientCertificateContext = now.Client,
                CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                RemoteCertificateValidationCallback = (_, _, chain, errors) => (distrust = Distrust(errors, chain, name)) is null,
            };
            if (now.Authorities.Count > 0)
            {
                options.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
                options.CertificateChainPolicy.CustomTrustStore.AddRange(now.Authorities);
            }
            await stream.AuthenticateAsClientAsync(options, cancel);
            return stream;
        }
        catch (AuthenticationException e)
        {
            await stream.DisposeAsync();
            throw new RedisRefusedException(
                distrust is null
                    ? $"{place}: TLS could not be agreed on: {e.InnerException?.Message ?? e.Message}; does the server speak TLS there, and does it want a client certificate (cert=PATH&key=PATH)?"
                    : $"{place}: the server's certificate is not trusted: {distrust}",
                e);
        }
        catch (OperationCanceledException e)
        {
            await stream.DisposeAsync();
            throw new IOException("TLS was not agreed on in time: does the server speak TLS there?", e);
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>Why, and the way out; null when the certificate is in order.</summary>
    private string? Distrust(SslPolicyErrors errors, X509Chain? chain, string name)
    {
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable)) return "it sent none";
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)) return $"it is not for \"{name}\"; name the host that it is for with tls-host=NAME";
        if (!errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors)) return null;
        string reasons = string.Join(", ", chain?.ChainStatus.Select(s => s.StatusInformation.Trim()) ?? []);
        return _settings.CaFile == "" ? $"{reasons}; name the file of its authority with ca=PATH" : $"{reasons}; is {_settings.CaFile} (ca=PATH) the file of its authority?";
    }

    /// <summary>What the files held at a time. Immutable; connections may use it for as long as they like.</summary>
    private sealed class Certificates
    {
        private readonly byte[][] _content;

        public Certificates(RedisTls settings)
        {
            _content = ContentOf(settings);
            if (settings.CaFile != "")
            {
                Read(settings.CaFile, "ca", () => Authorities.ImportFromPemFile(settings.CaFile));
                if (Authorities.Count == 0) throw new RedisRefusedException($"ca={settings.CaFile}: holds no certificate; name a PEM file that does");
            }
            if (settings.CertificateFile == "") return;
            X509Certificate2Collection chain = [];
            Read(settings.CertificateFile, "cert", () => chain.ImportFromPemFile(settings.CertificateFile));
            X509Certificate2 certificate = null!;
            Read(settings.KeyFile, "key", () => certificate = X509Certificate2.CreateFromPemFile(settings.CertificateFile, settings.KeyFile));
            if (OperatingSystem.IsWindows())
            {
                // Windows' TLS takes no key that lives in memory only.
                using X509Certificate2 inMemory = certificate;
                certificate = X509CertificateLoader.LoadPkcs12(inMemory.Export(X509ContentType.Pkcs12), null);
            }
            Client = SslStreamCertificateContext.Create(certificate, chain, offline: true);
        }

        public X509Certificate2Collection Authorities { get; } = [];

        public SslStreamCertificateContext? Client { get; }

        public bool AreThoseOf(RedisTls settings) => _content.Zip(ContentOf(settings)).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second));

        // By content: times lie where a mounted secret is exchanged by a link two folders up.
        private static byte[][] ContentOf(RedisTls settings)
        {
            byte[][] content = [[], [], []];
            if (settings.CaFile != "") Read(settings.CaFile, "ca", () => content[0] = File.ReadAllBytes(settings.CaFile));
            if (settings.CertificateFile != "") Read(settings.CertificateFile, "cert", () => content[1] = File.ReadAllBytes(settings.CertificateFile));
            if (settings.KeyFile != "") Read(settings.KeyFile, "key", () => content[2] = File.ReadAllBytes(settings.KeyFile));
            return content;
        }

        private static void Read(string path, string key, Action read)
        {
            try
            {
                read();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
            {
                throw new RedisRefusedException($"{key}={path}: not readable as PEM: {e.Message}; name a file that is", e);
            }
        }
    }
}
