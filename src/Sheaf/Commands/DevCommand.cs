using System.CommandLine;

namespace Sheaf.Commands;

/// <summary><c>sheaf dev</c>: tools for those who test Sheaf or try it out.</summary>
internal static class DevCommand
{
    public static Command Create() => new("dev", "Tools for trying and testing: make a load of spans, check what a run made of it.")
    {
        DevGenerateCommand.Create(),
        DevVerifyCommand.Create(),
    };
}
