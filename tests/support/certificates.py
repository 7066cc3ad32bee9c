"""A certificate authority for the tests, and what it signs."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import oid


def _name(text):
    return x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, text)])


def _alternative(host):
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class Certificate:
    """A certificate and its key: `.certificate` and `.key` are the paths of two PEM files."""

    def __init__(self, directory, name, builder, key, signing_key):
        self.certificate = directory / f'{name}.pem'
        self.key = directory / f'{name}.key'
        self.x509 = builder.sign(signing_key, hashes.SHA256())
        self.private_key = key
        self.certificate.write_bytes(self.x509.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        self.key.chmod(0o600)


class Authority(Certificate):
    """A self-signed CA. `.certificate` is the bundle of those who trust it.

    One that is `plain` leaves out what Python 3.13 is strict about, as many private ones do.
    """

    def __init__(self, directory, name='authority', plain=False):
        key = ec.generate_private_key(ec.SECP256R1())
        self._directory = directory
        self._name = name
        self._plain = plain
        builder = self._builder(name, name, key, key, ca=True)
        super().__init__(directory, name, builder, key, key)

    def issue(self, *hosts, days=1):
        """Return a certificate for `hosts` (names or addresses); `days` below 0: it is expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(hosts[0], self._name, key, self.private_key, days=days)
        names = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
        name = f'{hosts[0]}-{builder._serial_number}'
        return Certificate(
            self._directory, name, builder.add_extension(names, False), key, self.private_key
        )

    def _builder(self, subject, issuer, key, signing_key, ca=False, days=1):
        now = datetime.datetime.now(datetime.timezone.utc)
        end = now + datetime.timedelta(days=days)
        public, signing = key.public_key(), signing_key.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(issuer))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, end) - datetime.timedelta(days=1))
            .not_valid_after(end)
        )
        if self._plain:
            return builder.add_extension(x509.BasicConstraints(ca, None), critical=False)
        return (
            builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signing), critical=False
            )
            .add_extension(x509.KeyUsage(True, *[False] * 4, ca, ca, False, False), critical=True)
        )
