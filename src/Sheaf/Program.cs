using Sheaf;
using Sheaf.Commands;
using Sheaf.Supervision;

StandardStreams.Settle();
using var limits = FileSizeLimit.ToldByWrites();

// Before anything of the command line is loaded: that would take a worker longer than all else of its start.
if (args is [WorkerProgram.CommandName]) return WorkerProgram.Run(WorkerBuffers.OpenAsync);
return await SheafCommand.RunAsync(args, CommandHost.OfThisProcess(), SegmentRun.RunAsync, StartCheck.RunAsync);
