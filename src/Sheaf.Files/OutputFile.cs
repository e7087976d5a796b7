namespace Sheaf.Files;

/// <summary>What to do with a file that is there and not empty.</summary>
public enum ExistingContent
{
    /// <summary>Do not open it.</summary>
    Refuse,

    /// <summary>Discard it.</summary>
    Overwrite,

    /// <summary>Write behind it. A last line without an end is ended: it is somebody's work.</summary>
    Append,

    /// <summary>Write behind its last whole line. What follows that line is torn, and is cut off: the run that is resumed writes it again.</summary>
    Resume,
}

/// <summary>
/// A file, pipe, device or standard output that whole lines are written to. In a file a failed write leaves nothing behind: it is cut back to
/// what was committed. One thread at a time.
/// </summary>
internal sealed class OutputFile : IDisposable
{
    private readonly string _purpose;
    private readonly FileStream? _stream; // unbuffered; null: standard output
    private long _committed;
    private long _end;

    private OutputFile(string path, string purpose, FileStream? stream)
    {
        Path = path;
        _purpose = purpose;
        _stream = stream;
        MayBlock = stream is not { CanSeek: true };
        if (!MayBlock) _committed = _end = stream!.Seek(0, SeekOrigin.End);
    }

    public string Path { get; }

    /// <summary>Bytes that were there or are written; 0 where there is no such thing.</summary>
    public long Length => _end;

    /// <summary>A pipe or a terminal, whose reader decides how long a write takes.</summary>
    public bool MayBlock { get; }

    /// <param name="path"><c>-</c> for standard output.</param>
    /// <param name="purpose">What it is for, in messages to people: <c>output</c>.</param>
    /// <remarks>Opening a named pipe waits for its reader, here until <paramref name="cancel"/>.</remarks>
    /// <exception cref="ConfigurationException">It cannot be opened; the message names the path, the reason and the way out.</exception>
    public static async ValueTask<OutputFile> OpenAsync(string path, string purpose, ExistingContent existing, CancellationToken cancel)
    {
        if (path == "-") return new OutputFile("standard output", purpose, stream: null);
        return await Task.Run(() => Open(path, purpose, existing), cancel).WaitAsync(cancel);
    }

    /// <exception cref="ConfigurationException">It cannot be opened.</exception>
    public static OutputFile Open(string path, string purpose, ExistingContent existing)
    {
        if (Directory.Exists(path)) throw new ConfigurationException($"{purpose}: {path} is a directory; name a file in it");
        FileStream? stream = null;
        try
        {
            // Reading is only for the end of what is written on.
            FileAccess access = existing is ExistingContent.Append or ExistingContent.Resume ? FileAccess.ReadWrite : FileAccess.Write;
            stream = new FileStream(path, FileMode.OpenOrCreate, access, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            long length = stream.CanSeek ? stream.Length : 0;
            if (length > 0 && existing == ExistingContent.Refuse)
                throw new ConfigurationException($"{purpose}: {path} exists and has {length} bytes; name another file, remove it, or allow overwriting it (--overwrite)");
            if (length > 0 && existing == ExistingContent.Overwrite) stream.SetLength(0);
            var file = new OutputFile(path, purpose, stream);
            if (file._end > 0) file.TidyEnd(existing);
            stream = null;
            return file;
        }
        catch (DirectoryNotFoundException e)
        {
            throw new ConfigurationException($"{purpose}: {path} cannot be created: its directory does not exist ({e.Message}); create it first");
        }
        catch (UnauthorizedAccessException e)
        {
            throw new ConfigurationException($"{purpose}: {path} cannot be written: {e.Message} Name another file, or change its permissions");
        }
        catch (IOException e)
        {
            throw new ConfigurationException($"{purpose}: {path} cannot be opened for writing: {e.Message}");
        }
        finally
        {
            stream?.Dispose();
        }
    }

    /// <summary>Writes behind what was written before; it counts once it is committed.</summary>
    /// <exception cref="SinkException">Not written. In a file everything since the last commit is gone; elsewhere some of it may be out.</exception>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            if (_stream is null) StandardOutput.Write(bytes);
            else _stream.Write(bytes);
            _end += bytes.Length;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            throw Failed($"{bytes.Length} bytes could not be written behind byte {_end}", e);
        }
    }

    /// <summary>What was written so far is whole and stays.</summary>
    public void Commit() => _committed = _end;

    /// <summary>Makes the system bring a file to the disk.</summary>
    /// <exception cref="SinkException">It could not.</exception>
    public void Flush()
    {
        if (MayBlock) return;
        try
        {
            _stream!.Flush(flushToDisk: true);
        }
        catch (IOException e)
        {
            throw Failed($"{_end} bytes could not be brought to the disk", e);
        }
    }

    public void Dispose() => _stream?.Dispose();

    private SinkException Failed(string what, Exception reason)
    {
        string torn = MayBlock ? " (its last line may be torn)" : "";
        if (!MayBlock)
        {
            try
            {
                _stream!.SetLength(_committed);
                _stream.Position = _committed;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
            {
                torn = $" (and it could not be cut back to its last whole line: {e.Message})";
            }
        }
        _end = _committed;
        bool isFinal = reason is IOException io && StandardOutput.IsClosedByReader(io);
        string wayOut = isFinal ? "whoever read it has gone" : "make room or mend the output";
        return new SinkException($"{_purpose}: {Path}: {what}: {reason.Message}{torn}; {wayOut}", reason) { IsFinal = isFinal };
    }

    private void TidyEnd(ExistingContent existing)
    {
        switch (existing)
        {
            case ExistingContent.Append:
                EndLine();
                break;
            case ExistingContent.Resume:
                CutTornLine();
                break;
            case ExistingContent.Refuse:
            case ExistingContent.Overwrite:
                break; // nothing is there
        }
    }

    /// <summary>A line that a crash has torn must not swallow the next one.</summary>
    private void EndLine()
    {
        _stream!.Position = _end - 1;
        if (_stream.ReadByte() == '\n') return;
        Write("\n"u8);
        Commit();
    }

    private void CutTornLine()
    {
        byte[] room = new byte[1 << 16];
        long end = _end;
        while (end > 0)
        {
            int count = (int)Math.Min(room.Length, end);
            _stream!.Position = end - count;
            _stream.ReadExactly(room, 0, count);
            int lineFeed = room.AsSpan(0, count).LastIndexOf((byte)'\n');
            end -= count;
            if (lineFeed < 0) continue;
            end += lineFeed + 1;
            break;
        }
        if (end < _end) _stream!.SetLength(end);
        _stream!.Position = _committed = _end = end;
    }
}
