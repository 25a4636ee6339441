using System;
using System.Collections.Generic;

namespace Rmqtt
{
    /// <summary>A certificate that a client has shown, and that has been verified. A copy: keep it as long as you
    /// like.</summary>
    public sealed class Certificate
    {
        private unsafe Certificate(Native.Certificate* native)
        {
            Subject = Utf8.Copy(native->Subject);
            CommonName = Utf8.Copy(native->CommonName);
            Issuer = Utf8.Copy(native->Issuer);
            Serial = Utf8.Copy(native->Serial);
            Sha256 = Utf8.Copy(native->Sha256);
            var names = (Native.Str*)native->AlternativeNames;
            var copies = new string[checked((int)native->AlternativeNameCount)];
            for (var index = 0; index < copies.Length; index++) copies[index] = Utf8.Copy(names[index]);
            AlternativeNames = Array.AsReadOnly(copies);
            NotBefore = Seconds.Since1970(native->NotBeforeS);
            NotAfter = Seconds.Since1970(native->NotAfterS);
            Der = Utf8.Copy(native->Der);
        }

        /// <summary>The subject, as RFC 4514 writes it: <c>CN=pump-7,O=Plant</c>.</summary>
        public string Subject { get; }

        /// <summary>The common name of the subject; null if it has none.</summary>
        public string CommonName { get; }

        /// <summary>The issuer, written as the subject.</summary>
        public string Issuer { get; }

        /// <summary>The serial number: hexadecimal digits in lower case, two for each octet.</summary>
        public string Serial { get; }

        /// <summary>The SHA-256 fingerprint: 64 hexadecimal digits in lower case.</summary>
        public string Sha256 { get; }

        /// <summary>The subject alternative names, each with its kind: <c>DNS:pump-7.example</c>,
        /// <c>IP:192.0.2.1</c>, <c>URI:urn:pump:7</c>, <c>email:pump@example.com</c>. Names of other kinds are in
        /// <see cref="Der" /> only. Empty if there are none.</summary>
        public IReadOnlyList<string> AlternativeNames { get; }

        /// <summary>When it begins to be valid.</summary>
        public DateTimeOffset NotBefore { get; }

        /// <summary>When it ceases to be valid.</summary>
        public DateTimeOffset NotAfter { get; }

        /// <summary>The certificate itself, DER: what
        /// <see cref="System.Security.Cryptography.X509Certificates.X509Certificate2" /> is made of.</summary>
        public byte[] Der { get; }

        /// <summary>Copies; null for NULL.</summary>
        internal static unsafe Certificate Copy(IntPtr native)
        {
            return native == IntPtr.Zero ? null : new Certificate((Native.Certificate*)native);
        }
    }
}
