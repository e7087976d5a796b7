using Sheaf.Commands;

// The run itself: SegmentRun composes source, pipeline, buffer, workers and sink.
RunSpans run = (plan, context, stop) => throw new NotImplementedException("The run is not composed yet.");

return await SheafCommand.RunAsync(args, CommandHost.OfThisProcess(), run);
