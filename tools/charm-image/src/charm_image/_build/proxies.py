"""The proxies that the docker command gives to the commands of a build, from its config.json.

See https://docs.docker.com/engine/cli/proxy. Builders know these build arguments: they are in no
image, no history and no key of a cache.
"""

from __future__ import annotations

import base64
import contextlib
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

from charm_image import _errors
from charm_image._oci import docker_config

_VARIABLES = {
    'httpProxy': 'HTTP_PROXY',
    'httpsProxy': 'HTTPS_PROXY',
    'noProxy': 'NO_PROXY',
    'ftpProxy': 'FTP_PROXY',
    'allProxy': 'ALL_PROXY',
}
_ACCOUNT = re.compile(r'(?:[A-Za-z][A-Za-z0-9+.-]*://)?([^/?#]*)@')
_MIN_SECRET = 4  # characters: to hide less would hide parts of any word


def read(host: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the build arguments for builds in the engine at an address, in both spellings.

    `proxies` may have an entry for the address, instead of the default. {} if there is none, or
    config.json is damaged, as for docker.
    """
    config: dict[str, Any] = {}
    with contextlib.suppress(_errors.EngineError):
        config = docker_config.read(docker_config.directory(environ) / 'config.json')
    proxies = config.get('proxies')
    if not isinstance(proxies, dict):
        return {}
    entry = proxies.get(host, proxies.get('default'))
    if not isinstance(entry, dict):
        return {}
    values = {name: entry.get(key) for key, name in _VARIABLES.items()}
    return {
        spelling: value
        for name, value in values.items()
        if isinstance(value, str) and value
        for spelling in (name, name.lower())
    }


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without the secrets."""
    for secret in secrets:
        text = text.replace(secret, '***')
    return text


def secrets(proxies: Mapping[str, str]) -> list[str]:
    """Return the credentials in the URLs of proxies, as they may be shown, longest first."""
    found: set[str] = set()
    for url in proxies.values():
        account = _ACCOUNT.match(url)
        if account and ':' in account[1]:
            for text in (account[1], urllib.parse.unquote(account[1])):
                password = text.partition(':')[2]
                # as a header of HTTP has it, and a parameter of Docker's API
                found |= {text, password, base64.b64encode(text.encode()).decode()}
                found |= {urllib.parse.quote_plus(each) for each in (text, password)}
    return sorted((each for each in found if len(each) >= _MIN_SECRET), key=len, reverse=True)
