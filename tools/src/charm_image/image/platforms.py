"""Platforms as Docker and OCI name them: linux/amd64, linux/arm64, linux/arm/v7.

See the OCI image index specification 1.1, and Go's GOOS and GOARCH.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from charm_image import errors

_FORM = re.compile(r'([a-z0-9]+)/([a-z0-9_]+)(?:/([a-z0-9.]+))?')
# as containerd normalizes them; uname and Debian call some otherwise
_NAMES = {
    'aarch64': ('arm64', ''),
    'armel': ('arm', 'v6'),
    'armhf': ('arm', 'v7'),
    'i386': ('386', ''),
    'ppc64el': ('ppc64le', ''),
    'x86_64': ('amd64', ''),
}
_USUAL_VARIANTS = {'amd64': 'v1', 'arm': 'v7', 'arm64': 'v8'}


class Platform(NamedTuple):
    """A system and an architecture; `variant` is '' for the usual one."""

    system: str
    architecture: str
    variant: str = ''

    def __str__(self) -> str:
        return '/'.join(filter(None, self))

    @property
    def descriptor(self) -> dict[str, str]:
        """As an index and a configuration name it; ARM of 32 bits always with its variant."""
        variant = self.variant or (_USUAL_VARIANTS['arm'] if self.architecture == 'arm' else '')
        names = {'architecture': self.architecture, 'os': self.system, 'variant': variant}
        return {name: value for name, value in names.items() if value}

    @property
    def json(self) -> str:
        """What Docker's API takes for it."""
        names = {'os': self.system, 'architecture': self.architecture, 'variant': self.variant}
        return json.dumps({name: value for name, value in names.items() if value})

    def is_of(self, image: Mapping[str, Any]) -> bool:
        """Tell whether an image's configuration, or an engine's inspection, is for it."""
        names = {name.lower(): value for name, value in image.items()}
        system, architecture = names.get('os'), names.get('architecture')
        if not isinstance(system, str) or not isinstance(architecture, str):
            return False
        return self == _normalized(system, architecture, str(names.get('variant') or ''))


def parse(text: str) -> Platform:
    """Read a platform, such as linux/arm64.

    Raises:
        errors.ResourceError: it is not of this form
    """
    found = _FORM.fullmatch(text)
    if not found:
        raise errors.ResourceError(
            f'platform {text!r:.80} is not valid: use a form such as linux/arm64'
        )
    return _normalized(found[1], found[2], found[3] or '')


def of_this_machine() -> Platform:
    """The platform of an engine that would be on this machine."""
    return _normalized('linux', platform.machine().lower(), '')


def _normalized(system: str, architecture: str, variant: str) -> Platform:
    architecture, usual = _NAMES.get(architecture, (architecture, ''))
    variant = variant or usual
    if variant == _USUAL_VARIANTS.get(architecture):
        variant = ''
    return Platform(system, architecture, variant)
