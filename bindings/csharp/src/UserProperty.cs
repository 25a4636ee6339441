using System;
using System.Collections.ObjectModel;

namespace Rmqtt
{
    /// <summary>A user property of MQTT 5: a name with a value.</summary>
    public sealed class UserProperty
    {
        /// <summary>Makes one.</summary>
        /// <exception cref="ArgumentException">Name or value is null, or not Unicode.</exception>
        public UserProperty(string name, string value)
        {
            Utf8.Check(name, nameof(name));
            Utf8.Check(value, nameof(value));
            Name = name;
            Value = value;
        }

        /// <summary>The name.</summary>
        public string Name { get; }

        /// <summary>The value.</summary>
        public string Value { get; }

        /// <summary>As <c>name=value</c>.</summary>
        public override string ToString()
        {
            return Name + "=" + Value;
        }
    }

    /// <summary>User properties. Names may come more than once, in an order that is kept.</summary>
    public sealed class UserProperties : Collection<UserProperty>
    {
        /// <summary>Adds one at the end.</summary>
        /// <exception cref="ArgumentException">Name or value is null, or not Unicode.</exception>
        public void Add(string name, string value)
        {
            Add(new UserProperty(name, value));
        }

        /// <summary>Null is none.</summary>
        protected override void InsertItem(int index, UserProperty item)
        {
            base.InsertItem(index, item ?? throw new ArgumentNullException(nameof(item)));
        }

        /// <summary>Null is none.</summary>
        protected override void SetItem(int index, UserProperty item)
        {
            base.SetItem(index, item ?? throw new ArgumentNullException(nameof(item)));
        }

        internal static unsafe UserProperties Copy(IntPtr native, UIntPtr count)
        {
            var copy = new UserProperties();
            var properties = (Native.UserProperty*)native;
            for (var index = 0; index < (int)count; index++)
            {
                copy.Add(Utf8.Copy(properties[index].Name), Utf8.Copy(properties[index].Value));
            }
            return copy;
        }

        internal void AddAll(UserProperties others)
        {
            foreach (var other in others) Add(other);
        }
    }
}
