using System.Diagnostics.CodeAnalysis;

namespace Sheaf.Configuration;

/// <summary>How a value is written and which values there are: the same for the command line, the environment and the file.</summary>
internal abstract class OptionKind<T>
{
    /// <summary>What stands for the value in help: <c>N</c>, <c>TIME</c>.</summary>
    public abstract string Placeholder { get; }

    /// <summary>What is allowed, so that it completes "… is not": <c>an integer from 1 to 1024</c>.</summary>
    public abstract string Range { get; }

    /// <summary>May be given several times, or as an array; the parts are joined by commas.</summary>
    public virtual bool IsList => false;

    /// <summary>Stands on the command line without a value.</summary>
    public virtual bool IsFlag => false;

    /// <summary>Reads a value. False, and no exception, for anything outside the range.</summary>
    public abstract bool TryParse(string text, [MaybeNullWhen(false)] out T value);

    /// <summary>A value as it may be shown to people: without secrets.</summary>
    public virtual string Shown(string text) => text;

    /// <summary>What is wrong with a value that <see cref="TryParse"/> has refused, without secrets: with the value and the range.</summary>
    public virtual string Problem(string text) => $"'{Shown(text)}' is not {Range}";

    /// <summary>The one way in which Sheaf writes this value; <see cref="TryParse"/> reads it back. Equal values have equal texts.</summary>
    public abstract string Format(T value);
}
