"""The URLs of a registry, and those that it redirects to."""

import ipaddress
import re
import typing
import urllib.parse

from container_image import messages
from container_image import registry_errors as errors

_MAX_NAME_CHARACTERS = 253  # RFC 1035, as are the 63 of a label
_AUTHORITY = re.compile(
    r'(?:[^@\\\s]*@)?'
    # Names of containers have underscores.
    r'(?:(?P<name>(?:(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.|(?=:|\Z)))+)'
    r'|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])'
    r'(?::(?P<port>[0-9]{0,5}))?'
)


def is_address(authority: str) -> bool:
    """Return whether this can be the host of a URL: a DNS name or an IP address, and a port."""
    match = _AUTHORITY.fullmatch(authority)
    if not match or not 0 < int(match.group('port') or 443) < 1 << 16:
        return False
    if match.group('name'):
        return len(match.group('name')) <= _MAX_NAME_CHARACTERS
    try:
        return bool(ipaddress.IPv6Address(match.group('ipv6')))
    except ValueError:
        return False


def check_url(url: str, source: str, use: str = 'redirects to an address') -> str:
    """Return `url`, which was in a response from `source`, if it may be used; `use` is for what.

    It may if it has a valid host, and is HTTPS, or plain HTTP on loopback if the response came
    from loopback, too: a remote registry must not reach what listens on a unit's loopback.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        valid = parts.scheme in ('http', 'https') and is_address(parts.netloc)
    except ValueError:
        valid = False
    if not valid:
        raise errors.ProtocolError(
            f'{host(source)} returned an invalid address', errors.IS_REGISTRY
        )
    if parts.scheme == 'http' and not (is_loopback(url) and is_loopback(source)):
        raise errors.ProtocolError(
            f'{host(source)} {use} without HTTPS, {host(url)}',
            'its administrator must configure https:// (behind a proxy, with X-Forwarded-Proto)',
        )
    return url


def resolve(base: str, url: str) -> str:
    """Return the absolute form of a `url` in a response from `base`, checked."""
    try:
        url = urllib.parse.urljoin(base, url)
    except ValueError:
        url = ''
    return check_url(url, base)


def with_query(url: str, query: typing.Sequence[typing.Tuple[str, str]]) -> str:
    """Return `url` with more parameters."""
    return url + ('&' if '?' in url else '?') + urllib.parse.urlencode(query)


def host(url: str) -> str:
    """Return the host, and the port if any, for a message."""
    return messages.printable(urllib.parse.urlsplit(url).netloc.rpartition('@')[2])


def origin(url: str) -> str:
    """Return the origin: scheme, host and port."""
    parts = urllib.parse.urlsplit(url)
    port = parts.port or {'https': 443, 'http': 80}.get(parts.scheme)
    return f'{parts.scheme}://{parts.hostname}:{port}'


def is_loopback(url: str) -> bool:
    """Return whether `url` is on localhost, 127.0.0.0/8 or ::1."""
    name = urllib.parse.urlsplit(url).hostname or ''
    try:
        return name == 'localhost' or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
