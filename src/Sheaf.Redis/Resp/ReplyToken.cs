namespace Sheaf.Redis.Resp;

/// <summary>One value of a reply; the values inside of an aggregate follow it. Fields are public so that it is filled in place.</summary>
internal struct ReplyToken
{
    /// <summary>Bytes that one takes.</summary>
    public const int Size = 16;

    /// <summary>Where its text begins in the bytes.</summary>
    public int Start;

    /// <summary>Bytes of text, or the number of values inside.</summary>
    public int Length;

    /// <summary>The first token behind it and all that is inside.</summary>
    public int End;
    public RespKind Kind;
}
