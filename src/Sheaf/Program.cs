using Sheaf;
using Sheaf.Commands;

return await SheafCommand.RunAsync(args, CommandHost.OfThisProcess(), SegmentRun.RunAsync);
