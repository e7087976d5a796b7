using System.CommandLine;
using Sheaf.Commands;

var root = new RootCommand("Assembles trace spans into segments.") { DevCommand.Create() };
return await root.Parse(args).InvokeAsync();
