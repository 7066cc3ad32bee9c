"""The URLs of a registry, and those that it redirects to."""

import ipaddress
import typing
import urllib.parse

from container_image import registry_errors as errors


def is_address(netloc: str) -> bool:
    """Return whether this can be the host of a URL, with or without a port."""
    try:
        parts = urllib.parse.urlsplit(f'//{netloc}')
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def checked(url: str, source: str) -> str:
    """Return `url`, which was in a response from `source`, if it may be used.

    It may if it is HTTPS, or plain HTTP on loopback if the response came from loopback, too: a
    remote registry must not reach what listens on a unit's loopback.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        plain = parts.scheme == 'http' and is_loopback(url) and is_loopback(source)
        good = plain or parts.scheme == 'https'
    except ValueError:
        good = False
    if not good or not is_address(parts.netloc):
        raise errors.Misbehaving(
            f'{host(source)} redirects to an address without HTTPS: check that it is a registry'
        )
    return url


def joined(base: str, url: str) -> str:
    """Return the absolute form of a `url` in a response from `base`, checked."""
    try:
        url = urllib.parse.urljoin(base, url)
    except ValueError:
        url = ''
    return checked(url, base)


def with_query(url: str, query: typing.Sequence[typing.Tuple[str, str]]) -> str:
    """Return `url` with more parameters."""
    return url + ('&' if '?' in url else '?') + urllib.parse.urlencode(query)


def host(url: str) -> str:
    """Return the host, and the port if any, for a message."""
    return urllib.parse.urlsplit(url).netloc.rpartition('@')[2]


def origin(url: str) -> str:
    """Return the origin: scheme, host and port."""
    parts = urllib.parse.urlsplit(url)
    port = parts.port or {'https': 443, 'http': 80}.get(parts.scheme)
    return f'{parts.scheme}://{parts.hostname}:{port}'


def is_loopback(url: str) -> bool:
    """Return whether `url` is on localhost or 127.0.0.0/8."""
    name = urllib.parse.urlsplit(url).hostname or ''
    try:
        return name == 'localhost' or ipaddress.IPv4Address(name).is_loopback
    except ValueError:
        return False
