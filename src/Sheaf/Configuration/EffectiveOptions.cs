namespace Sheaf.Configuration;

/// <summary>The value that an option has, and where it is from.</summary>
/// <param name="Text">As Sheaf writes it: equal for equal values.</param>
internal sealed record EffectiveValue(object Value, string Text, OptionSource Source);

/// <summary>
/// What holds when all sources are laid over each other: command line, then environment, then file, then defaults. An option is taken
/// from one source whole; lists are not joined over sources. Immutable.
/// </summary>
internal sealed class EffectiveOptions
{
    private readonly Dictionary<OptionSpec, EffectiveValue> _values = [];

    /// <param name="layers">The strongest first.</param>
    /// <param name="table">The options that matter to the command; what the layers say of others is passed over. Null: all of <see cref="OptionTable"/>.</param>
    public EffectiveOptions(Machine machine, IReadOnlyList<ConfigurationLayer> layers, IReadOnlyList<OptionSpec>? table = null)
    {
        table ??= OptionTable.All;
        Machine = machine;
        var faults = new List<ConfigurationFault>();
        var passedOver = new List<string>();
        foreach (ConfigurationLayer layer in layers)
        {
            faults.AddRange(layer.Faults);
            passedOver.AddRange(layer.PassedOver);
            foreach (GivenValue given in layer.Values)
            {
                if (!table.Contains(given.Option)) continue;
                // Also looked at where a stronger source has the option: it would fail on the day that one goes away.
                if (given.Option.TryRead(given.Text, out object? value, out string? canonical))
                    _values.TryAdd(given.Option, new EffectiveValue(value, canonical, given.Source));
                else
                    faults.Add(ConfigurationFault.OutOfRange(given));
            }
        }
        foreach (OptionSpec option in table)
        {
            if (_values.ContainsKey(option) || option.Default is null) continue;
            string text = option.Default(machine);
            if (!option.TryRead(text, out object? value, out string? canonical))
                throw new InvalidOperationException($"The default '{text}' of {option.Name} is not {option.Range}.");
            _values.Add(option, new EffectiveValue(value, canonical, OptionSource.Default));
        }
        Faults = faults;
        PassedOver = passedOver;
    }

    public Machine Machine { get; }

    /// <summary>What is wrong with single values; see <see cref="PlanBinder"/> for what does not go together.</summary>
    public IReadOnlyList<ConfigurationFault> Faults { get; }

    /// <summary>What was given and means nothing here, a sentence each.</summary>
    public IReadOnlyList<string> PassedOver { get; }

    /// <summary>Null where the option is not set and has no default.</summary>
    public EffectiveValue? Find(OptionSpec option) => _values.GetValueOrDefault(option);

    /// <summary>The value of an option that is known to be set.</summary>
    public T Get<T>(OptionSpec<T> option)
        where T : notnull => (T)_values[option].Value;
}
