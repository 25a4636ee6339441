using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Rmqtt.Tests
{
    /// <summary>Holds Native.cs against the recorded layout, in both directions: nothing more, nothing less.</summary>
    internal static class LayoutTests
    {
        private static readonly Type Native = typeof(Broker).Assembly.GetType("Rmqtt.Native", true);

        internal static void Register(Action<string, Action> test, string layout, string header)
        {
            test("layout: every struct and field", () => Structs(layout));
            test("layout: every constant", () => Constants(layout));
            test("layout: functions are in the header, callbacks all of it", () => Functions(header));
            test("layout: every hook has a property and a number", () => HookEntries(header));
            test("layout: the ABI version is that of the header", () => AbiVersion(header));
            test("layout: another ABI version is refused in words", OtherAbiVersion);
        }

        private static void Structs(string layout)
        {
            var recorded = Lines(layout, "struct ");
            var bound = new List<string>();
            foreach (var type in Native.GetNestedTypes(BindingFlags.NonPublic))
            {
                if (!type.IsValueType || type.IsEnum || type.Name.Contains("<")) continue;
                var name = "struct rmqtt_" + Snake(type.Name) + "_t ";
                bound.Add(name + "size " + Marshal.SizeOf(type));
                foreach (var field in type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic))
                {
                    bound.Add(
                        name + Snake(field.Name) + " offset " + Marshal.OffsetOf(type, field.Name) + " size "
                            + Marshal.SizeOf(field.FieldType));
                }
            }
            Same(recorded, bound);
        }

        private static void Constants(string layout)
        {
            var recorded = Lines(layout, "constant ");
            var bound = new List<string>();
            foreach (Status status in Enum.GetValues(typeof(Status)))
            {
                var prefix = status == Status.Ok ? "RMQTT_" : "RMQTT_ERR_";
                bound.Add("constant " + prefix + Snake(status.ToString()).ToUpperInvariant() + " " + (int)status);
            }
            AddEnum(bound, "LEVEL", typeof(LogLevel));
            AddEnum(bound, "ORIGIN", typeof(Origin));
            AddEnum(bound, "VERDICT", Native.GetNestedType("VerdictKind", BindingFlags.NonPublic));
            AddEnum(bound, "REPLACE", Native.GetNestedType("Replace", BindingFlags.NonPublic));
            AddEnum(bound, "METRICS", Native.GetNestedType("MetricsFormat", BindingFlags.NonPublic));
            AddEnum(bound, "HOOK", typeof(Hook));
            AddEnum(bound, "DISCONNECTED_BY", typeof(DisconnectedBy));
            AddEnum(bound, "SESSION_END", typeof(SessionEnd));
            AddEnum(bound, "DROP", typeof(DropCause));
            AddEnum(bound, "RETAINED", typeof(RetainedChange));
            AddEnum(bound, "RESOURCE", typeof(Resource));
            AddEnum(bound, "BAN", typeof(BanKind));
            AddEnum(bound, "BAN_CAUSE", typeof(BanCause));
            AddEnum(bound, "OVERFLOW", typeof(Overflow));
            AddEnum(bound, "PUBLISH", typeof(PublishStage));
            AddEnum(bound, "STAGE", typeof(Stage));
            AddEnum(bound, "PRESENCE", typeof(Presence));
            AddEnum(bound, "ACTION", typeof(ClientAction));
            Same(recorded, bound);
        }

        private static void Functions(string header)
        {
            var text = File.ReadAllText(header);
            var bound = Native.GetMethods(BindingFlags.Static | BindingFlags.NonPublic)
                .Select(method => method.GetCustomAttribute<DllImportAttribute>())
                .Where(import => import != null)
                .Select(import => import.EntryPoint)
                .ToList();
            Check.True(bound.Count > 20, "functions found by reflection");
            foreach (var name in bound)
            {
                var declaration = new Regex(@"^[a-z].*\b" + name + @"\(", RegexOptions.Multiline);
                Check.True(declaration.IsMatch(text), name + " in the header");
            }
            // The entries of hooks are bound by shape, the other callbacks by name.
            const string Event = @"\(const struct rmqtt_\w+_t \*event,\s*";
            const string Rest = @"void \*user_data\);";
            var shapes = new Dictionary<string, Regex>
            {
                { "EventFn", new Regex(@"typedef void \(\*rmqtt_\w+_fn\)" + Event + Rest) },
                {
                    "DecisionFn",
                    new Regex(
                        @"typedef rmqtt_verdict_kind_t \(\*rmqtt_\w+_fn\)" + Event
                            + @"struct rmqtt_verdict_t \*verdict,\s*" + Rest)
                },
            };
            foreach (var type in Native.GetNestedTypes(BindingFlags.NonPublic))
            {
                if (!typeof(Delegate).IsAssignableFrom(type)) continue;
                Regex shape;
                if (!shapes.TryGetValue(type.Name, out shape))
                {
                    shape = new Regex(@"typedef void \(\*rmqtt_" + Snake(type.Name) + @"\)\([^)]*\);");
                }
                Check.True(shape.IsMatch(text), type.Name + " in the header");
                text = shape.Replace(text, "");
            }
            var left = Regex.Matches(text, @"\(\*rmqtt_\w+_fn\)").Cast<Match>().Select(match => match.Value);
            Check.Equal("", string.Join(" ", left), "callbacks that are not bound");
        }

        private static void HookEntries(string header)
        {
            const string Struct = @"typedef struct rmqtt_hooks_t \{.*?\} rmqtt_hooks_t;";
            var hooks = Regex.Match(File.ReadAllText(header), Struct, RegexOptions.Singleline);
            var declared = Regex.Matches(hooks.Value, @"rmqtt_\w+_fn (\w+);").Cast<Match>()
                .Select(match => match.Groups[1].Value)
                .Where(name => name != "drop")
                .ToList();
            Same(declared, typeof(Hooks).GetProperties().Select(property => Snake(property.Name)).ToList());
            Same(declared, Enum.GetNames(typeof(Hook)).Select(Snake).ToList());
        }

        private static void AbiVersion(string header)
        {
            var match = Regex.Match(File.ReadAllText(header), @"#define RMQTT_ABI_VERSION (\d+)");
            Check.True(match.Success, "RMQTT_ABI_VERSION in the header");
            var bound = Native.GetField("AbiVersion", BindingFlags.Static | BindingFlags.NonPublic);
            Check.Equal(match.Groups[1].Value, bound.GetRawConstantValue().ToString(), "ABI version");
        }

        private static void OtherAbiVersion()
        {
            var check = typeof(Library).GetMethod(
                "Check", BindingFlags.Static | BindingFlags.NonPublic, null, new[] { typeof(uint) }, null);
            var thrown = Check.Throws<TargetInvocationException>(
                () => check.Invoke(null, new object[] { 4711u }), "check");
            var exception = (RmqttException)thrown.InnerException;
            Check.Equal(Status.Unsupported, exception.Status, "status");
            Check.True(exception.Message.Contains("4711"), "the version found in: " + exception.Message);
        }

        private static void AddEnum(List<string> bound, string prefix, Type type)
        {
            foreach (var name in Enum.GetNames(type))
            {
                bound.Add(
                    "constant RMQTT_" + prefix + "_" + Snake(name).ToUpperInvariant() + " "
                        + Convert.ToInt32(Enum.Parse(type, name)));
            }
        }

        private static List<string> Lines(string path, string prefix)
        {
            var lines = File.ReadAllLines(path)
                .Where(line => line.StartsWith(prefix, StringComparison.Ordinal))
                .ToList();
            Check.True(lines.Count > 10, "lines with '" + prefix + "' in the recorded layout");
            return lines;
        }

        private static void Same(List<string> recorded, List<string> bound)
        {
            var faults = recorded.Except(bound).Select(line => "only recorded: " + line)
                .Concat(bound.Except(recorded).Select(line => "only bound: " + line));
            Check.Equal("", string.Join("\n", faults), "differences");
        }

        private static string Snake(string name)
        {
            return Regex.Replace(name, "(?<=[a-z0-9])([A-Z])", "_$1").ToLowerInvariant();
        }
    }
}
