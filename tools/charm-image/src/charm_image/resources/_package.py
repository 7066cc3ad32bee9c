"""A package of the distribution."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from charm_image.resources import _package_managers, _scripts
from charm_image.resources._resource import Common, Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9+._-]*(:[a-z0-9-]+)?')
_VERSION = re.compile(r'[A-Za-z0-9][A-Za-z0-9.+:~^_-]*')


class Package(Resource):
    """A package of the image's distribution. An installed package is not upgraded.

    Recommended packages are not installed: name those that you need. Package lists and archives
    are removed from the image. Removing a package that is not installed is not an error.

    Args:
        name: the name; on Debian optionally followed by `:ARCHITECTURE`
        version: the exact version, as the distribution writes it
        purge: whether removal includes its configuration (apt, apk)
        backend: apt, apk, dnf, microdnf or yum; default: the first one found in the image
        common: id, policy and watches; see Common
    """

    policies: ClassVar[Mapping[str, Sequence[str]]] = {
        'install': ('purge',),
        'uninstall': ('version',),
        'apply': ('purge',),
        'remove': ('version',),
    }
    verb = 'install'

    def __init__(
        self,
        name: str,
        *,
        version: str | None = None,
        purge: bool = False,
        backend: str | None = None,
        **common: Unpack[Common],
    ):
        if isinstance(name, (list, tuple)):
            self._refuse('name must be one package', 'make a Package of each')
        self.name: str = self._text('name', name)
        if not _NAME.fullmatch(self.name) or self.name.endswith('-'):
            self._refuse(f'{self.name!r} is not a valid package name')
        self.version: str | None = self._optional('version', version)
        if self.version is not None and not _VERSION.fullmatch(self.version):
            self._refuse(f'{self.version!r} is not a valid package version')
        self.purge: bool = self._flag('purge', purge)
        if backend not in (None, *_package_managers.NAMES):
            self._refuse(
                f'backend must be one of {", ".join(_package_managers.NAMES)}, not {backend!r}'
            )
        self.backend = backend
        super().__init__(**common)

    @property
    def together(self) -> tuple[object, ...]:
        """A key: packages with the same one are applied by one run of the package manager."""
        return 'package', self.removes, self.purge, self.backend

    @property
    def snapshot(self) -> str:
        return _package_managers.INSTALLED

    def write(self, script: _scripts.Script) -> None:
        script.add(*_package_managers.script([self]))
