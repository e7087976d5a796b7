using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Sheaf.Redis.Resp;

/// <summary>The certificates of a <see cref="RedisTls"/>, read from their files. Thread-safe. Owner: the client.</summary>
internal sealed class TlsCredentials : IDisposable
{
    private readonly RedisTls _settings;
    private readonly X509Certificate2Collection _authorities = [];
    private readonly X509Certificate2Collection _chain = [];
    private readonly SslStreamCertificateContext? _client;
    private readonly X509Certificate2? _certificate;

    /// <exception cref="RedisRefusedException">A file cannot be read.</exception>
    public TlsCredentials(RedisTls settings)
    {
        _settings = settings;
        if (settings.CaFile != "") Read(settings.CaFile, "ca", () => _authorities.ImportFromPemFile(settings.CaFile));
        if (settings.CertificateFile == "") return;
        Read(settings.CertificateFile, "cert", () => _chain.ImportFromPemFile(settings.CertificateFile));
        X509Certificate2 certificate = null!;
        Read(settings.KeyFile, "key", () => certificate = X509Certificate2.CreateFromPemFile(settings.CertificateFile, settings.KeyFile));
        if (OperatingSystem.IsWindows())
        {
            // Windows' TLS takes no key that lives in memory only.
            using X509Certificate2 inMemory = certificate;
            certificate = X509CertificateLoader.LoadPkcs12(inMemory.Export(X509ContentType.Pkcs12), null);
        }
        _certificate = certificate;
        _client = SslStreamCertificateContext.Create(certificate, _chain, offline: true);
    }

    public bool HasClientCertificate => _client is not null;

    /// <summary>Agrees on TLS with the server.</summary>
    /// <param name="host">The name that its certificate must have, unless the settings say another.</param>
    /// <param name="place">Whom we talk to, in messages.</param>
    /// <exception cref="RedisRefusedException">Either side does not trust the other.</exception>
    /// <exception cref="IOException">The connection is lost, or it took too long.</exception>
    public async ValueTask<SslStream> AuthenticateAsync(Stream inner, string host, string place, CancellationToken cancel)
    {
        string name = _settings.Host == "" ? host : _settings.Host;
        string? distrust = null;
        var stream = new SslStream(inner, leaveInnerStreamOpen: false);
        try
        {
            var options = new SslClientAuthenticationOptions
            {
                TargetHost = name,
                ClientCertificateContext = _client,
                CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                RemoteCertificateValidationCallback = (_, _, chain, errors) => (distrust = Distrust(errors, chain, name)) is null,
            };
            if (_authorities.Count > 0)
            {
                options.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
                options.CertificateChainPolicy.CustomTrustStore.AddRange(_authorities);
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

    public void Dispose()
    {
        _certificate?.Dispose();
        foreach (X509Certificate2 certificate in _authorities) certificate.Dispose();
        foreach (X509Certificate2 certificate in _chain) certificate.Dispose();
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
