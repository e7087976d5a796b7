namespace Sheaf.Files;

/// <summary>What goes wrong with outputs.</summary>
internal static class OutputFault
{
    /// <summary>Whether a write failed for what it was written to. (.NET calls a file that may not grow further an argument out of range.)</summary>
    public static bool IsOfWriting(Exception e) => e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException or ObjectDisposedException;

    /// <param name="purpose">What it is for: <c>output</c>.</param>
    /// <exception cref="ConfigurationException">It cannot be opened; the message names the path, the reason and the way out.</exception>
    public static T OfOpening<T>(string path, string purpose, Func<T> open)
    {
        if (Directory.Exists(path)) throw new ConfigurationException($"{purpose}: {path} is a directory; name a file in it");
        try
        {
            return open();
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
    }
}
