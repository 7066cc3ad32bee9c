"""What can go wrong with a request, found in the exceptions of urllib3."""

import re
import socket
import ssl
import typing

import urllib3.exceptions

from container_image import _tls, messages

# by the reasons of OpenSSL 3, 1.1 and 1.0
_NOT_TLS = {'WRONG_VERSION_NUMBER', 'HTTP_REQUEST', 'UNKNOWN_PROTOCOL'}
_ABOUT_CLIENT = re.compile('ALERT_(BAD_CERTIFICATE|CERTIFICATE_|UNKNOWN_CA|UNSUPPORTED_CERT)')


class Problem(typing.NamedTuple):
    """What went wrong with a request to `url`; who sent it puts it into words.

    `kind` is one of these, if there is no response: resolve, certificate (`detail` says why it is
    not trusted), bundle (`detail` says which file of certificates cannot be read), proxy,
    proxy-login, plain (HTTP where HTTPS is needed), client (whose certificate is not accepted, or
    missing), tls, refused, timeout, broken, limit (the time
    for all requests is over; `detail` is in seconds). If a response is no use: late (as limit),
    unfinished, compressed, large (`detail` is the limit in bytes), redirect (which has no target
    for the method in `detail`), redirects (too many). `proxy` is the host of the proxy, or ''.
    """

    kind: str
    url: str
    proxy: str = ''
    detail: str = ''


def find_problem(error: BaseException, url: str, proxy: str) -> Problem:
    """Return the problem in an exception of urllib3, without its text."""
    kind, detail = _kind(_causes(error), bool(proxy))
    return Problem(kind, url, proxy, detail)


def _kind(causes: typing.List[BaseException], has_proxy: bool) -> typing.Tuple[str, str]:
    def has(*types: typing.Type[BaseException]) -> bool:
        return any(isinstance(cause, types) for cause in causes)

    if has(socket.gaierror):
        return 'resolve', ''
    for cause in causes:
        if isinstance(cause, _tls.UnreadableError):
            return 'bundle', str(cause)
    distrust = _distrust(causes)
    if distrust:
        return 'certificate', distrust
    if any('Tunnel connection failed: 407' in str(cause) for cause in causes):
        return 'proxy-login', ''
    # Hosts are checked before a request is sent: what is invalid here is the proxy's URL.
    if has(urllib3.exceptions.ProxyError) or (has_proxy and has(ValueError)):
        return 'proxy', ''
    reasons = _tls_reasons(causes)
    # What a server that speaks HTTP answers is not a record of TLS.
    if reasons & _NOT_TLS:
        return 'plain', ''
    if any(map(_ABOUT_CLIENT.search, reasons)):
        return 'client', ''
    if has(ssl.SSLError):
        return 'tls', ''
    if has(ConnectionRefusedError):
        return 'refused', ''
    if has(urllib3.exceptions.TimeoutError, socket.timeout):
        return 'timeout', ''
    return 'broken', ''


def is_distrust(error: BaseException) -> bool:
    """Return whether a certificate is not trusted."""
    return _distrust(_causes(error)) is not None


def is_of_tls(error: BaseException) -> bool:
    """Return whether only a server that speaks TLS causes this error."""
    causes = _causes(error)
    return (
        any(isinstance(cause, _tls.UnreadableError) for cause in causes)
        or any('_ALERT_' in reason for reason in _tls_reasons(causes))
        or _distrust(causes) is not None
    )


def _tls_reasons(causes: typing.Iterable[BaseException]) -> typing.Set[str]:
    """Return OpenSSL's names for what went wrong."""
    found = [getattr(cause, 'reason', None) for cause in causes if isinstance(cause, ssl.SSLError)]
    return {reason for reason in found if isinstance(reason, str)}


def _causes(error: BaseException) -> typing.List[BaseException]:
    """Return all exceptions that one of urllib3 wraps, in any way."""
    causes: typing.List[BaseException] = []
    waiting: typing.List[typing.Any] = [error]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and not any(cause is known for known in causes):
            causes.append(cause)
            waiting += [getattr(cause, 'reason', None), cause.__cause__, cause.__context__]
            waiting += cause.args
    return causes


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
