using System.Buffers.Text;
using System.Text;

namespace Sheaf.Redis.Resp;

/// <summary>What an error says about a command that was not executed.</summary>
internal enum Retry
{
    /// <summary>Nothing: it is the command's result.</summary>
    None,

    /// <summary>Its slot has another node.</summary>
    Moved,

    /// <summary>Its key is at another node already, though the slot is not.</summary>
    Ask,

    /// <summary>Later: its keys are on the move, the server loads its data, or has lost its primary.</summary>
    Wait,

    /// <summary>Later, perhaps elsewhere: the cluster does not serve its slot.</summary>
    ClusterDown,

    /// <summary>Elsewhere: the server is a replica (now).</summary>
    ReadOnly,

    /// <summary>After the scripts were loaded.</summary>
    NoScript,
}

/// <summary>Reads the errors that say where and when to try again.</summary>
internal static class Redirection
{
    public static Retry Of(ReadOnlySpan<byte> error)
    {
        int space = error.IndexOf((byte)' ');
        ReadOnlySpan<byte> code = space < 0 ? error : error[..space];
        if (code.SequenceEqual("MOVED"u8)) return Retry.Moved;
        if (code.SequenceEqual("ASK"u8)) return Retry.Ask;
        if (code.SequenceEqual("TRYAGAIN"u8) || code.SequenceEqual("LOADING"u8) || code.SequenceEqual("MASTERDOWN"u8)) return Retry.Wait;
        if (code.SequenceEqual("CLUSTERDOWN"u8)) return Retry.ClusterDown;
        if (code.SequenceEqual("READONLY"u8)) return Retry.ReadOnly;
        if (code.SequenceEqual("NOSCRIPT"u8)) return Retry.NoScript;
        return Retry.None;
    }

    /// <summary>The reason within <c>EXECABORT Transaction discarded because of: …</c>; nothing for other errors.</summary>
    public static Retry OfAborted(ReadOnlySpan<byte> error)
    {
        const string Because = "because of: ";
        if (!error.StartsWith("EXECABORT"u8)) return Of(error);
        int at = error.IndexOf("because of: "u8);
        return at < 0 ? Retry.None : Of(error[(at + Because.Length)..]);
    }

    /// <summary>The node of <c>MOVED 3999 127.0.0.1:6381</c> or <c>ASK …</c>. An empty host stands for the one that answered; null: it does not know it.</summary>
    /// <exception cref="RespProtocolException">It is not of this form.</exception>
    public static HostPort? ReadTarget(ReadOnlySpan<byte> error)
    {
        string[] words = Encoding.UTF8.GetString(error).Split(' ');
        if (words.Length >= 3 && Number(words[1], HashSlot.Count) is not null && words[2].LastIndexOf(':') is >= 0 and var colon
            && Number(words[2][(colon + 1)..], 65536) is > 0 and var port)
        {
            string host = words[2][..colon];
            return host == "?" ? null : new HostPort(host, port);
        }
        throw new RespProtocolException($"a redirection that names no slot and node: \"{Encoding.UTF8.GetString(error[..Math.Min(200, error.Length)])}\"");
    }

    private static int? Number(string text, int below)
    {
        ReadOnlySpan<byte> digits = Encoding.UTF8.GetBytes(text);
        return Utf8Parser.TryParse(digits, out uint number, out int length) && length == digits.Length && number < below ? (int)number : null;
    }
}
