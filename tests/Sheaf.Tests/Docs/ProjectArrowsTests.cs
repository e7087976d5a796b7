using System.Xml.Linq;
using Sheaf.TestKit;

namespace Sheaf.Tests.Docs;

public class ProjectArrowsTests
{
    [Theory]
    [InlineData("Sheaf.Core", "")]
    [InlineData("Sheaf.Files", "Sheaf.Core")]
    [InlineData("Sheaf.Redis", "Sheaf.Core")]
    [InlineData("Sheaf.Kafka", "Sheaf.Core")]
    [InlineData("Sheaf", "Sheaf.Core,Sheaf.Files,Sheaf.Kafka,Sheaf.Redis")]
    public void References_only_point_to_the_core(string project, string expected)
    {
        XDocument file = XDocument.Load(Path.Combine(RepositoryFiles.Root, "src", project, project + ".csproj"));
        IEnumerable<string> references = file.Descendants("ProjectReference")
            .Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value.Replace('\\', '/')))
            .Order(StringComparer.Ordinal);
        Assert.Equal(expected, string.Join(',', references));
    }

    [Fact]
    public void The_core_needs_no_framework_but_the_base_library()
    {
        XDocument file = XDocument.Load(Path.Combine(RepositoryFiles.Root, "src", "Sheaf.Core", "Sheaf.Core.csproj"));
        Assert.Empty(file.Descendants("FrameworkReference"));
        Assert.Equal(["System.IO.Hashing"], file.Descendants("PackageReference").Select(r => r.Attribute("Include")!.Value));
    }
}
