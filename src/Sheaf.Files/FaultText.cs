using Sheaf.Spans;

namespace Sheaf.Files;

/// <summary>What a fault is called until it can describe itself; a method of <see cref="SpanFault"/> by this name takes its place.</summary>
internal static class FaultText
{
    public static string Describe(this SpanFault fault, ReadOnlySpan<byte> message) =>
        $"{fault.Field.Name()}: {fault.Kind.Name()} at byte {fault.Position} of {message.Length}";
}
