using System.Diagnostics.CodeAnalysis;

namespace Sheaf.Configuration;

/// <summary>Heading under which options stand in help, in the sample file and in the docs, in this order.</summary>
internal enum OptionGroup
{
    Files,
    Kafka,
    Segments,
    Workers,
    Buffer,
    BadMessages,
    DropRules,
    Display,
}

/// <summary>Everything there is to say about one option. Its names in the environment and on the command line follow from <see cref="Name"/>.</summary>
internal abstract class OptionSpec
{
    /// <summary>The key in the file: <c>max-flush-segments</c>.</summary>
    public required string Name { get; init; }

    public required OptionGroup Group { get; init; }

    /// <summary>One line for <c>--help</c>: what it is, and the unit where the kind does not say it.</summary>
    public required string Summary { get; init; }

    /// <summary>For the docs: what follows from it, and why this default.</summary>
    public required string Details { get; init; }

    /// <summary>The default as a value, or null where there is none.</summary>
    public Func<Machine, string>? Default { get; init; }

    /// <summary>The default in words, the same on every machine.</summary>
    public required string DefaultText { get; init; }

    /// <summary>A value to show where there is no default that is the same everywhere.</summary>
    public string? Example { get; init; }

    /// <summary>Nothing runs without it.</summary>
    public bool Required { get; init; }

    /// <summary>A change in the watched file takes effect while a run goes on.</summary>
    public bool Reloadable { get; init; }

    /// <summary>May stand in the configuration file. The file's own path may not.</summary>
    public bool InFile { get; init; } = true;

    /// <summary>Other names on the command line: those that the original has for it.</summary>
    public IReadOnlyList<string> OtherNames { get; init; } = [];

    /// <summary>Of a flag: the name on the command line that says that it is off.</summary>
    public string? Contrary { get; init; }

    public string CommandLineName => "--" + Name;

    public string VariableName => "SHEAF_" + Name.ToUpperInvariant().Replace('-', '_');

    public abstract string Placeholder { get; }

    public abstract string Range { get; }

    public abstract bool IsList { get; }

    public abstract bool IsFlag { get; }

    /// <inheritdoc cref="OptionKind{T}.Shown"/>
    public abstract string Shown(string text);

    /// <inheritdoc cref="OptionKind{T}.Problem"/>
    public abstract string Problem(string text);

    /// <summary>Reads a value, and says how Sheaf writes it.</summary>
    public abstract bool TryRead(string text, [NotNullWhen(true)] out object? value, [NotNullWhen(true)] out string? canonical);
}

/// <summary>An option whose value is a <typeparamref name="T"/>.</summary>
internal sealed class OptionSpec<T>(OptionKind<T> kind) : OptionSpec
    where T : notnull
{
    public override string Placeholder => kind.Placeholder;

    public override string Range => kind.Range;

    public override bool IsList => kind.IsList;

    public override bool IsFlag => kind.IsFlag;

    public override string Shown(string text) => kind.Shown(text);

    public override string Problem(string text) => kind.Problem(text);

    public override bool TryRead(string text, [NotNullWhen(true)] out object? value, [NotNullWhen(true)] out string? canonical)
    {
        if (kind.TryParse(text, out T? typed))
        {
            value = typed;
            canonical = kind.Format(typed);
            return true;
        }
        value = null;
        canonical = null;
        return false;
    }
}
