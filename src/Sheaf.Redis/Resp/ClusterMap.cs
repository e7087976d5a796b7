using System.Text;

namespace Sheaf.Redis.Resp;

/// <summary>Who serves which slots, from the reply to <c>CLUSTER SLOTS</c>. Immutable.</summary>
/// <param name="Slots">The primary's index per slot; -1 = nobody.</param>
/// <param name="Primaries">Those that serve slots, each once.</param>
/// <param name="Replicas">Their replicas, each once.</param>
internal sealed record ClusterMap(short[] Slots, IReadOnlyList<HostPort> Primaries, IReadOnlyList<HostPort> Replicas)
{
    private const int MostNodes = 10_000;

    /// <param name="asked">Stands where the reply names no host.</param>
    /// <exception cref="RespProtocolException">It is no such reply.</exception>
    public static ClusterMap Read(RespReply reply, HostPort asked)
    {
        if (reply.Kind != RespKind.Array) throw Odd(reply);
        short[] slots = new short[HashSlot.Count];
        Array.Fill(slots, (short)-1);
        var primaries = new List<HostPort>();
        var replicas = new HashSet<HostPort>();
        var indexes = new Dictionary<HostPort, short>();
        foreach (RespReply range in reply.Children)
        {
            if (range.Kind != RespKind.Array || range.Count < 3) throw Odd(range);
            RespReply field = range.First();
            long from = field.Integer;
            field = field.Next();
            long to = field.Integer;
            if (from < 0 || to >= HashSlot.Count || from > to) throw new RespProtocolException($"CLUSTER SLOTS names slots {from} to {to}");
            for (int i = 2; i < range.Count; i++)
            {
                field = field.Next();
                if (ReadNode(field, asked) is not { } node) continue; // a node without a known host
                if (i > 2)
                {
                    replicas.Add(node);
                    continue;
                }
                if (!indexes.TryGetValue(node, out short index))
                {
                    if (primaries.Count == MostNodes) throw new RespProtocolException($"CLUSTER SLOTS names more than {MostNodes} primaries");
                    index = (short)primaries.Count;
                    indexes.Add(node, index);
                    primaries.Add(node);
                }
                slots.AsSpan((int)from, (int)(to - from + 1)).Fill(index);
            }
        }
        return new ClusterMap(slots, primaries, [.. replicas]);
    }

    /// <summary>The endpoint that the cluster prefers comes first; where it is an unknown host name (<c>?</c>), the IP address among what follows will do.</summary>
    private static HostPort? ReadNode(RespReply node, HostPort asked)
    {
        if (node.Kind != RespKind.Array || node.Count < 2) throw Odd(node);
        RespReply host = node.First();
        RespReply port = host.Next();
        if (port.Integer is <= 0 or > 65535) throw Odd(port);
        string name = Encoding.UTF8.GetString(host.Bytes);
        if (name == "?") name = node.Count < 4 ? "?" : IpAmong(port.Next().Next());
        return name switch
        {
            "" => asked with { Port = (int)port.Integer },
            "?" => null,
            _ => new HostPort(name, (int)port.Integer),
        };
    }

    private static string IpAmong(RespReply metadata)
    {
        bool isIp = false;
        foreach (RespReply word in metadata.Children)
        {
            if (isIp) return Encoding.UTF8.GetString(word.Bytes);
            isIp = word.Bytes.SequenceEqual("ip"u8);
        }
        return "?";
    }

    private static RespProtocolException Odd(RespReply reply) => new($"CLUSTER SLOTS was answered with {reply}");
}
