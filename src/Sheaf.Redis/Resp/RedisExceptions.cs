namespace Sheaf.Redis.Resp;

/// <summary>
/// The server cannot be reached, has not answered in time or was lost. Commands that were on their way may have been executed or not: do the operation
/// again later.
/// </summary>
public sealed class RedisUnavailableException(string message, Exception? inner = null) : SheafException(message, inner);

/// <summary>The server does not want us, for a reason that does not mend itself: a wrong password, a certificate that is not trusted, a database that it lacks.</summary>
public sealed class RedisRefusedException(string message, Exception? inner = null) : SheafException(message, inner);

/// <summary>What came is not an answer that a server gives, or is larger than allowed. The connection is closed; commands may have been executed.</summary>
public sealed class RespProtocolException(string message) : SheafException(message);
