namespace Sheaf.Redis.Resp;

#pragma warning disable CA1720 // RESP calls them so

/// <summary>What a reply is, the same for RESP2 and RESP3.</summary>
public enum RespKind : byte
{
    SimpleString,
    BulkString,

    /// <summary>The command was refused or failed, in a line or as a blob.</summary>
    Error,
    Integer,
    Array,

    /// <summary>Keys and values, in turn. RESP2 has arrays instead.</summary>
    Map,
    Set,

    /// <summary>No value: RESP3's null, RESP2's null string and null array.</summary>
    Null,
    Double,
    Boolean,
    BigNumber,

    /// <summary>A string for people. Its format mark (<c>txt:</c>) is not part of its text.</summary>
    Verbatim,
}
