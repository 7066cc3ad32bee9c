"""Translates the exceptions of requests and urllib3 into errors for an operator."""

import re
import socket
import ssl
import typing

import requests
import urllib3.exceptions

from container_image import messages
from container_image import registry_errors as errors


def failure(error: BaseException, where: str, has_proxy: bool) -> errors.RegistryError:
    """Return the error for an exception of requests or urllib3, without its text.

    `where` names the server for the message, and the proxy before it if it `has_proxy`.
    """
    causes = _causes(error)

    def has(*types: typing.Type[BaseException]) -> bool:
        return any(isinstance(cause, types) for cause in causes)

    if has(socket.gaierror):
        return errors.NotResolvedError(f'cannot resolve {where}: check the name and the network')
    if _is_bad_bundle(causes):
        return errors.CertificateNotTrustedError(
            f'the bundle of CA certificates for {where} cannot be read'
        )
    distrust = _distrust(causes)
    if distrust:
        return errors.CertificateNotTrustedError(
            f'the certificate of {where} is not trusted ({distrust}): it must be valid, and its '
            f'CA must be public, or in the bundle that REQUESTS_CA_BUNDLE names'
        )
    if any('Tunnel connection failed: 407' in str(cause) for cause in causes):
        return proxy_refuses(where)
    # Hosts are checked before a request is sent: what is invalid here is the proxy's URL.
    invalid = (requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError, UnicodeError)
    if has(requests.exceptions.ProxyError) or (has_proxy and has(*invalid)):
        return errors.NotReachableError(f'{where} cannot be reached: check the proxy')
    if has(ssl.SSLError):
        return errors.NotReachableError(f'TLS with {where} failed: check the port')
    if has(ConnectionRefusedError):
        return errors.NotReachableError(f'{where} refused the connection: check host and port')
    if has(requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, socket.timeout):
        return errors.NotReachableError(
            f'{where} did not respond in time: check host and firewall'
        )
    return errors.NotReachableError(f'the connection to {where} broke: check the network')


def proxy_refuses(where: str) -> errors.NotReachableError:
    """Return the error for HTTP status 407."""
    return errors.NotReachableError(
        f'{where} cannot be reached, because the proxy requires valid credentials: check its URL'
    )


def is_distrust(error: BaseException) -> bool:
    """Return whether the error is about the server's certificate."""
    causes = _causes(error)
    return _is_bad_bundle(causes) or _distrust(causes) is not None


def _causes(error: BaseException) -> typing.List[BaseException]:
    """Return all exceptions that one of requests or urllib3 wraps, in any way."""
    causes: typing.List[BaseException] = []
    waiting: typing.List[typing.Any] = [error]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and not any(cause is known for known in causes):
            causes.append(cause)
            waiting += [getattr(cause, 'reason', None), cause.__cause__, cause.__context__]
            waiting += cause.args
    return causes


def _is_bad_bundle(causes: typing.Iterable[BaseException]) -> bool:
    return any(
        isinstance(cause, ssl.SSLError) and cause.library in ('PEM', 'X509') for cause in causes
    )


def _distrust(causes: typing.Iterable[BaseException]) -> typing.Optional[str]:
    """Return why a certificate is not trusted, or None if the error is a different one."""
    for cause in causes:
        match = re.search(r'certificate verify failed(?:: (.*?))?\.? ?(\(_ssl|$)', str(cause))
        if isinstance(cause, ssl.SSLError) and match:
            # Python 3.6 does not say which.
            return messages.printable(match.group(1) or 'not signed by a known CA, or expired')
        if type(cause).__name__ == 'CertificateError':  # urllib3 1 has one of its own
            return 'it is for a different host'
    return None
