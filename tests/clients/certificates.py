"""Certificates for the tests, made anew for each run."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def name_of(cn):
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Plant")
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, cn)])


@dataclass
class Issued:
    """A certificate with its key, in files."""

    certificate: x509.Certificate
    cert_file: Path
    key_file: Path
    # Both in one file, as HAProxy wants them.
    both_file: Path

    @property
    def serial(self):
        text = f"{self.certificate.serial_number:x}"
        return text if len(text) % 2 == 0 else f"0{text}"

    @property
    def sha256(self):
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def files(self):
        """As the configuration of the broker names them."""
        return {"cert_file": str(self.cert_file), "key_file": str(self.key_file)}


class Authority:
    def __init__(self, directory, cn):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name_of(cn)
        builder = self._builder(self.name, self.key.public_key())
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.certificate = builder.add_extension(usage, critical=True).sign(self.key, hashes.SHA256())
        self.file = directory / f"{cn}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject, public_key):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - DAY).not_valid_after(now + 10 * DAY)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return builder.add_extension(issuer, critical=False)

    def issue(self, cn, names=(), purpose=ExtendedKeyUsageOID.SERVER_AUTH, file=None):
        """A certificate for a server or a client, valid for DNS names and IP addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(name_of(cn), key.public_key())
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        cert = certificate.public_bytes(serialization.Encoding.PEM)
        key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        paths = [self.directory / f"{file or cn}.{what}" for what in ("crt", "key", "both")]
        for path, text in zip(paths, (cert, key, cert + key)):
            path.write_bytes(text)
        return Issued(certificate, *paths)

    def revoke(self, path, *issued):
        """Writes a list with these certificates."""
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(now - DAY).next_update(now + DAY)
        builder = builder.add_extension(x509.CRLNumber(1), critical=False)
        for one in issued:
            revoked = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
            builder = builder.add_revoked_certificate(revoked.revocation_date(now - DAY).build())
        path.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


class Pki:
    """Two authorities that know nothing of each other, a server, and clients."""

    def __init__(self, directory):
        self.ca = Authority(directory, "authority")
        self.stranger = Authority(directory, "stranger")
        here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        self.here = here
        self.server = self.ca.issue("server", here)
        client_names = [x509.DNSName("pump-7.example"), x509.UniformResourceIdentifier("urn:pump:7")]
        self.client = self.ca.issue("pump-7", client_names, ExtendedKeyUsageOID.CLIENT_AUTH)
        self.revoked = self.ca.issue("pump-8", (), ExtendedKeyUsageOID.CLIENT_AUTH)
        self.unknown = self.stranger.issue("pump-9", (), ExtendedKeyUsageOID.CLIENT_AUTH)
        self.crl_file = directory / "revoked.crl"
        self.ca.revoke(self.crl_file, self.revoked)

    def trusting(self, client=None, version=None, alpn=None):
        """What a client needs that believes the authority, with a certificate of its own or without."""
        context = ssl.create_default_context(cafile=str(self.ca.file))
        if client is not None:
            context.load_cert_chain(client.cert_file, client.key_file)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if alpn is not None:
            context.set_alpn_protocols(alpn)
        return context
