"""TLS contexts: the certificate authorities that are trusted, and the certificate of a client.

Trusted are certifi's authorities and the system's, as OpenSSL finds those: SSL_CERT_FILE and
SSL_CERT_DIR name others. The bundle that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names replaces all
of these.
"""

import functools
import os
import ssl
import threading
import typing

import urllib3.util.ssl_

from container_image import messages

# by their numbers: older Pythons lack the names
_PARTIAL_CHAIN = 0x80000
_STRICT = 0x20

_making = threading.Lock()


class Certificates(typing.NamedTuple):
    """PEM files of a registry, beside what the environment names.

    `authorities` are those to trust; `client` is the certificate, and its key, to show, or None.
    """

    authorities: typing.Tuple[str, ...] = ()
    client: typing.Optional[typing.Tuple[str, str]] = None


NONE = Certificates()


class UnreadableError(Exception):
    """A file of certificates cannot be read; the text says which."""


def context(certificates: Certificates, trusts_all: bool) -> ssl.SSLContext:
    """Return the context for all connections that use these certificates.

    It is made once: to read all that are trusted takes 50 ms. Without `trusts_all`, it may leave
    out those that are not in the system's directory, where OpenSSL finds the one that it needs.
    Raise `UnreadableError`.
    """
    environment = tuple(os.environ.get(name) for name in ('SSL_CERT_FILE', 'SSL_CERT_DIR'))
    with _making:
        return _context(certificates, trusts_all, _bundle(), environment)


@functools.lru_cache(maxsize=32)
def _context(
    certificates: Certificates,
    trusts_all: bool,
    bundle: typing.Optional[str],
    environment: typing.Tuple[typing.Optional[str], ...],  # which OpenSSL reads
) -> ssl.SSLContext:
    made = urllib3.util.ssl_.create_urllib3_context()
    made.verify_mode = ssl.CERT_REQUIRED
    # As in Docker and skopeo: an intermediate authority may be trusted by itself, and private
    # authorities need not have the extensions that Python 3.13 wants.
    made.verify_flags = ssl.VerifyFlags((made.verify_flags | _PARTIAL_CHAIN) & ~_STRICT)
    directory = ssl.get_default_verify_paths().capath
    if bundle:
        try:
            _load(made, bundle)
        except ssl.SSLError:
            raise _unreadable(bundle) from None
    elif directory and not trusts_all:
        made.load_verify_locations(capath=directory)
    else:
        import certifi

        _load(made, certifi.where())
        made.load_default_certs()
    for path in certificates.authorities:
        try:
            _load(made, path)
        except ssl.SSLError:
            continue  # Docker and skopeo ignore what is not a certificate in PEM
    if certificates.client:
        certificate, key = certificates.client
        try:
            # without a password, OpenSSL would ask for one
            made.load_cert_chain(certificate, key, password='')
        except (OSError, ValueError):
            raise UnreadableError(
                f'the client certificate {messages.printable(certificate)} cannot be used with '
                f'the key {messages.printable(key)}'
            ) from None
    return made


def _bundle() -> typing.Optional[str]:
    for variable in ('REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'):
        path = os.environ.get(variable)
        if path and not os.path.exists(path):
            raise UnreadableError(
                f'{variable} names {messages.printable(path)}, which does not exist: it must name '
                f'a bundle of CA certificates'
            )
        if path:
            return path
    return None


def _load(made: ssl.SSLContext, path: str) -> None:
    try:
        if os.path.isdir(path):
            made.load_verify_locations(capath=path)
        else:
            made.load_verify_locations(path)
    except ssl.SSLError:
        raise
    except OSError:
        raise _unreadable(path) from None


def _unreadable(path: str) -> UnreadableError:
    return UnreadableError(f'the CA certificates in {messages.printable(path)} cannot be read')
