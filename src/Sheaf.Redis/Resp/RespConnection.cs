using System.Net;
using System.Net.Sockets;

namespace Sheaf.Redis.Resp;

/// <summary>
/// One open connection. Owner: whoever rented it, for one exchange at a time. After any fault it is closed, and closed it stays: nobody could say which
/// reply comes next.
/// </summary>
internal sealed class RespConnection : IDisposable
{
    private readonly Socket _socket;
    private readonly Stream _stream;

    private RespConnection(Socket socket, Stream stream, int epoch)
    {
        _socket = socket;
        _stream = stream;
        Epoch = epoch;
    }

    /// <summary>Of its pool when it was opened; one of an earlier epoch is not used again.</summary>
    public int Epoch { get; }

    /// <summary>Opens a connection; nothing is said on it yet.</summary>
    /// <param name="place">Whom we talk to, in messages.</param>
    /// <exception cref="SocketException">Not reached.</exception>
    /// <exception cref="IOException">Lost while TLS was agreed on.</exception>
    /// <exception cref="RedisRefusedException">TLS: either side does not trust the other.</exception>
    public static async ValueTask<RespConnection> OpenAsync(EndPoint endpoint, TlsCredentials? tls, string place, int epoch, CancellationToken cancel)
    {
        Socket socket = endpoint is UnixDomainSocketEndPoint
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(endpoint, cancel);
            if (endpoint is not UnixDomainSocketEndPoint) socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            Stream stream = new NetworkStream(socket, ownsSocket: true);
            if (tls is not null) stream = await tls.AuthenticateAsync(stream, ((DnsEndPoint)endpoint).Host, place, cancel);
            return new RespConnection(socket, stream, epoch);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Whether an idle connection can be used: the server has not closed it and has said nothing. It never speaks first, so whatever lies there would be
    /// taken for the next reply.
    /// </summary>
    public bool IsQuiet()
    {
        try
        {
            return !_socket.Poll(0, SelectMode.SelectRead);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>
    /// Sends commands and reads their replies at the same time: neither side ever waits with full buffers for the other. Nothing goes on after it has
    /// returned or thrown; when it throws, the connection is closed.
    /// </summary>
    /// <exception cref="IOException">The connection is lost.</exception>
    /// <exception cref="RespProtocolException">What came are no replies to these commands.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async ValueTask ExchangeAsync(ReadOnlyMemory<byte> commands, ReplySet replies, int expected, CancellationToken cancel)
    {
        Task? sending = null;
        bool isDone = false;
        try
        {
            ValueTask sent = _stream.WriteAsync(commands, cancel);
            if (sent.IsCompletedSuccessfully) await sent;
            else sending = SendAsync(sent);
            while (!replies.TryComplete(expected))
            {
                int count = await _stream.ReadAsync(replies.Room(), cancel);
                if (count == 0) throw new EndOfStreamException("the server closed the connection");
                replies.Arrived(count);
            }
            if (sending is not null) await sending;
            isDone = true;
        }
        catch (ObjectDisposedException e)
        {
            throw new IOException("the connection was closed", e);
        }
        finally
        {
            if (!isDone)
            {
                Dispose();
                // The bytes belong to the caller again: nobody may still be reading them.
                if (sending is not null) await sending.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
        }
    }

    public void Dispose() => _stream.Dispose();

    /// <summary>When sending fails the reader must not wait for replies that never come; but what the server said before may tell why.</summary>
    private async Task SendAsync(ValueTask sent)
    {
        try
        {
            await sent;
        }
        catch
        {
            EndReading();
            throw;
        }
    }

    private void EndReading()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // closed already
        }
    }
}
