"""A package of the distribution."""

from __future__ import annotations

import re
from typing import Any

from charm_image.resources import package_managers, scripts
from charm_image.resources.resource import Resource

_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9+._-]*(:[a-z0-9-]+)?')
_VERSION = re.compile(r'[A-Za-z0-9][A-Za-z0-9.+:~^_-]*')


class Package(Resource):
    """A package of the image's distribution. One that is installed already stays as it is.

    What it only recommends is not installed: name what is needed. Neither package lists nor
    archives stay in the image. To remove one that is not installed is no error.
    """

    policies = {
        'install': ('purge',),
        'uninstall': ('version',),
        'apply': ('purge',),
        'remove': ('version',),
    }
    verb = 'install'

    def __init__(
        self,
        name: str,
        version: str | None = None,
        purge: bool = False,
        backend: str | None = None,
        **common: Any,
    ):
        """
        Args:
            name: its name; on Debian with `:ARCHITECTURE` behind it if need be
            version: the version to have, as the distribution writes it
            purge: whether its configuration goes too when it is removed (apt, apk)
            backend: apt, apk, dnf, microdnf or yum; by default the one that the image has
            common: see Resource
        """
        if isinstance(name, (list, tuple)):
            self._refuse('name is one package; make a Package of each')
        self.name = self._text('name', name)
        if not _NAME.fullmatch(self.name) or self.name.endswith('-'):
            self._refuse(f'{self.name!r} is no name of a package')
        self.version = self._optional('version', version)
        if self.version is not None and not _VERSION.fullmatch(self.version):
            self._refuse(f'{self.version!r} is no version of a package')
        self.purge = self._flag('purge', purge)
        if backend not in (None, *package_managers.NAMES):
            self._refuse(f'backend is one of {", ".join(package_managers.NAMES)}, not {backend!r}')
        self.backend = backend
        super().__init__(**common)

    @property
    def together(self) -> tuple[object, ...]:
        """What it has in common with packages that one run of a package manager applies."""
        return 'package', self.removes, self.purge, self.backend

    @property
    def snapshot(self) -> str:
        return package_managers.INSTALLED

    def write(self, script: scripts.Script) -> None:
        script.add(*package_managers.script([self]))
