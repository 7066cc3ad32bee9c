"""Connections of urllib3: through which proxy, with which certificates, and silent about URLs."""

import importlib.util
import ipaddress
import logging
import os
import ssl
import threading
import typing
import urllib.parse

import urllib3

from container_image import _tls, addresses, http_problems, messages

_MAX_IDLE = 32  # connections to one server; urllib3 warns of each that it drops

_logging = threading.local()


def _is_logged(record: logging.LogRecord) -> bool:
    return not getattr(_logging, 'on', False)


# urllib3 logs whole addresses, and those that registries redirect to are often signed: whoever
# has one has the access. What others do with urllib3 is logged as ever.
for _logger in ('urllib3.connectionpool', 'urllib3.connection'):
    logging.getLogger(_logger).addFilter(_is_logged)


class Pools:
    """The connections of a client; safe to use from several threads.

    `proxies` and `certificates` are as for `registry.Client`.
    """

    def __init__(self, proxies: typing.Mapping[str, str], certificates: _tls.Certificates) -> None:
        self._proxies = {name.partition('_')[0]: value for name, value in proxies.items() if value}
        self._certificates = certificates
        self._trusts_all = False
        self._pools: typing.Dict[typing.Tuple[str, str, bool], urllib3.PoolManager] = {}
        self._opening = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        while self._pools:
            self._pools.popitem()[1].clear()

    def proxy(self, url: str) -> str:
        """Return the host of the proxy before the server at `url`, for messages, or ''."""
        proxy = self._proxy(url)
        # Its password may hold a slash, so it is no use to parse this as a URL.
        host = proxy.rpartition('@')[2].rpartition('//')[2].partition('/')[0]
        return messages.printable(host) or ('?' if proxy else '')

    def request(
        self,
        method: str,
        url: str,
        timeout: typing.Callable[[], urllib3.Timeout],
        **options: typing.Any,
    ) -> urllib3.HTTPResponse:
        """Return the response, of which no body was read yet. `options` are those of `urlopen`.

        `timeout` is called for each attempt: there is a second one if not all authorities were
        loaded for the first.

        Raise nearly anything, which refers to the request and its headers.
        """
        trusts_all = self._trusts_all
        was_on = getattr(_logging, 'on', False)  # if a body is read with another request
        _logging.on = True
        try:
            response = self._pool(url, trusts_all).urlopen(
                method,
                url,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=timeout(),
                **options,
            )
            return typing.cast(urllib3.HTTPResponse, response)
        except Exception as exc:
            if trusts_all or not http_problems.is_distrust(exc):
                raise
        finally:
            _logging.on = was_on
        # Nothing of the request was sent yet.
        self._trusts_all = True
        return self.request(method, url, timeout, **options)

    def _pool(self, url: str, trusts_all: bool) -> urllib3.PoolManager:
        """Return the connections to all servers that are reached as the one at `url`."""
        scheme, proxy = urllib.parse.urlsplit(url).scheme, self._proxy(url)
        key = scheme, proxy, trusts_all
        with self._opening:
            if key not in self._pools:
                context = None
                if scheme == 'https':
                    context = _tls.context(self._certificates, trusts_all)
                self._pools[key] = _new_pool(proxy, context)
            return self._pools[key]

    def _proxy(self, url: str) -> str:
        if addresses.is_loopback(url) or _bypasses(url, self._setting('no')):
            return ''
        return self._setting(urllib.parse.urlsplit(url).scheme) or self._setting('all')

    def _setting(self, name: str) -> str:
        """Return what the caller or else the environment says; the variable in lower case wins."""
        variable = f'{name}_proxy'
        default = os.environ.get(variable, os.environ.get(variable.upper(), ''))
        return self._proxies.get(name, default)


def _new_pool(proxy: str, context: typing.Optional[ssl.SSLContext]) -> urllib3.PoolManager:
    options: typing.Dict[str, typing.Any] = {'maxsize': _MAX_IDLE, 'ssl_context': context}
    if not proxy:
        return urllib3.PoolManager(**options)
    if '://' not in proxy:
        proxy = 'http://' + proxy.lstrip('/')
    parts = urllib.parse.urlsplit(proxy)
    if not parts.hostname:
        raise ValueError
    username, password = map(urllib.parse.unquote, (parts.username or '', parts.password or ''))
    if parts.scheme.startswith('socks'):
        if not importlib.util.find_spec('socks'):  # PySocks; urllib3 would warn, too
            raise ValueError
        from urllib3.contrib.socks import SOCKSProxyManager

        return SOCKSProxyManager(proxy, username=username, password=password, **options)
    headers = urllib3.make_headers(proxy_basic_auth=f'{username}:{password}') if username else {}
    return urllib3.ProxyManager(proxy, proxy_headers=headers, proxy_ssl_context=context, **options)


def _bypasses(url: str, no_proxy: str) -> bool:
    """Return whether NO_PROXY covers the host: by name, domain, network, or all."""
    parts = urllib.parse.urlsplit(url)
    name = parts.hostname or ''
    for entry in no_proxy.lower().replace(',', ' ').split():
        domain = entry.lstrip('*.')
        if entry == '*' or f'{name}:{parts.port}' == entry:
            return True
        if name == domain or (domain and name.endswith('.' + domain)):
            return True
        try:
            if ipaddress.ip_address(name) in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            continue
    return False
