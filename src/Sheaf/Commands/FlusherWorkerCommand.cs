using System.CommandLine;
using Sheaf.Supervision;

namespace Sheaf.Commands;

/// <summary>
/// <c>sheaf flusher-worker</c>, which is not for people and therefore not in the help: this is what they get who ask for more than the bare word, which
/// Program.cs takes to <see cref="WorkerProgram"/> before the command line is even loaded.
/// </summary>
internal static class FlusherWorkerCommand
{
    public static Command Create(CommandHost host)
    {
        var command = new Command(WorkerProgram.CommandName, WorkerProgram.NotByHand) { Hidden = true };
        command.SetAction(_ =>
        {
            host.Error.WriteLine(WorkerProgram.NotByHand);
            return ExitCode.Configuration;
        });
        return command;
    }
}
