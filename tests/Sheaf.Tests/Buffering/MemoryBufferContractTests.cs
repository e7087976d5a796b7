using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.TestKit.Buffering;

namespace Sheaf.Tests.Buffering;

public sealed class MemoryBufferContractTests : BufferContract
{
    private readonly MemoryBuffer _buffer = new(Rules, ShardCount, MaxBytes);

    protected override ValueTask<ISpanBuffer> OpenAsync() => new(_buffer.OpenClient());
}
