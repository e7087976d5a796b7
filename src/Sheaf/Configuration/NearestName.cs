namespace Sheaf.Configuration;

/// <summary>Finds what somebody probably meant.</summary>
internal static class NearestName
{
    /// <summary>"; did you mean X?" or nothing when no name is near.</summary>
    public static string Hint(string unknown, IEnumerable<string> known)
    {
        string? best = null;
        int bestDistance = Math.Max(2, unknown.Length / 3) + 1;
        foreach (string name in known)
        {
            int distance = Distance(unknown.ToUpperInvariant(), name.ToUpperInvariant());
            if (distance >= bestDistance) continue;
            best = name;
            bestDistance = distance;
        }
        return best is null ? "" : $"; did you mean {best}?";
    }

    /// <summary>Letters to add, take away, replace, or swap with their neighbour.</summary>
    private static int Distance(string a, string b)
    {
        int[] beforeLast = new int[b.Length + 1];
        int[] last = new int[b.Length + 1];
        int[] row = new int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++)
            last[j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                row[j] = Math.Min(Math.Min(row[j - 1], last[j]) + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = Math.Min(row[j], beforeLast[j - 2] + 1);
            }
            (beforeLast, last, row) = (last, row, beforeLast);
        }
        return last[b.Length];
    }
}
