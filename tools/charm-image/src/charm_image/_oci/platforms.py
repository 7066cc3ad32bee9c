"""Platforms, by the names of Docker and OCI: linux/amd64, linux/arm64, linux/arm/v7.

See the OCI image index specification 1.1, and Go's GOOS and GOARCH.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_FORM = re.compile(r'([a-z0-9]+)/([a-z0-9_-]+)(?:/([a-z0-9.]+))?')
# normalized as in containerd; uname and Debian use different names for some
_NAMES = {
    'aarch64': ('arm64', ''),
    'armel': ('arm', 'v6'),
    'armhf': ('arm', 'v7'),
    'i386': ('386', ''),
    'ppc64el': ('ppc64le', ''),
    'x86-64': ('amd64', ''),
    'x86_64': ('amd64', ''),
}
_USUAL_VARIANTS = {'amd64': 'v1', 'arm': 'v7', 'arm64': 'v8'}


class Platform(NamedTuple):
    """An operating system and an architecture; `variant` is '' for the default one."""

    system: str
    architecture: str
    variant: str = ''

    def __str__(self) -> str:
        return '/'.join(filter(None, self))

    @property
    def descriptor(self) -> dict[str, str]:
        """The platform in an index or configuration; 32-bit ARM always has a variant."""
        variant = self.variant or (_USUAL_VARIANTS['arm'] if self.architecture == 'arm' else '')
        names = {'architecture': self.architecture, 'os': self.system, 'variant': variant}
        return {name: value for name, value in names.items() if value}

    @classmethod
    def of(cls, image: Mapping[str, Any]) -> Platform | None:
        """Return the platform in the configuration, descriptor or inspection of an image.

        None if it names no architecture; without an operating system, it is Linux.
        """
        names = {name.lower(): value for name, value in image.items()}
        system, architecture = names.get('os') or 'linux', names.get('architecture')
        if not isinstance(system, str) or not isinstance(architecture, str) or not architecture:
            return None
        return _normalized(system, architecture, str(names.get('variant') or ''))


def parse(text: str) -> Platform:
    """Parse a platform, such as linux/arm64.

    Raises:
        ValueError: it is not valid
    """
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(f'platform {text!r:.80} is not valid: use a form such as linux/arm64')
    return _normalized(found[1], found[2], found[3] or '')


def of_this_machine() -> Platform:
    """Return the platform of an engine on this machine."""
    import platform

    return _normalized('linux', platform.machine().lower(), '')


def _normalized(system: str, architecture: str, variant: str) -> Platform:
    system, architecture, variant = system.lower(), architecture.lower(), variant.lower()
    architecture, usual = _NAMES.get(architecture, (architecture, ''))
    variant = variant or usual
    if variant[:1].isdigit():
        variant = f'v{variant}'
    if variant == _USUAL_VARIANTS.get(architecture):
        variant = ''
    return Platform(system, architecture, variant)
