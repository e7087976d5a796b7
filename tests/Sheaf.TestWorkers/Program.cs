using System.Globalization;
using Sheaf.Flushing;
using Sheaf.Supervision;
using Sheaf.TestWorkers;

switch (args)
{
    case [WorkerProgram.CommandName]:
        return WorkerProgram.Run(TestBuffer.OpenAsync);

    // Holds two workers until it is killed.
    case ["parent", var folder]:
        await TestParent.RunAsync(folder);
        return 0;

    // Writes batches of numbered lines, and tells of each that was acknowledged.
    case ["write", var output, var controlBlock, var writer, var first]:
        await TestWriter.RunAsync(output, ControlBlock.Attach(controlBlock), writer, int.Parse(first, CultureInfo.InvariantCulture));
        return 0;

    // Makes and ends clients of Kafka, and tells what they left behind.
    case ["kafka-clients", var what, var brokers, var topic, var group]:
        await TestClients.RunAsync(what, brokers, topic, group);
        return 0;

    default:
        Console.Error.WriteLine("Sheaf.TestWorkers is what system tests start");
        return 2;
}
