"""A charm as `charm-build` leaves it."""

import copy
import functools
import os
import pathlib
import typing

import yaml

from charm_unit._unit import errors

_MAKES_ONE = 'run `charm-build` on its source and pass the folder that it creates'

_OF_OPS = ('src/charm.py', 'venv/ops', 'lib/ops', 'mod/operator')
_OF_REACTIVE = (
    *('.build.manifest', 'bin/layer_option', 'reactive/*.py', 'lib/charms/reactive'),
    'wheelhouse/charms?reactive-*',
)
"""Of these, a charm that `charm-build` made has at least one."""


class BuiltCharm:
    """The files of a built charm in `folder`; raises NotABuiltCharmError if it holds none."""

    def __init__(self, folder: 'str | os.PathLike[str]') -> None:
        self.folder = pathlib.Path(folder).resolve()
        _check(self.folder)

    @functools.cached_property
    def metadata(self) -> dict[str, typing.Any]:
        """The contents of metadata.yaml."""
        return read_yaml(self.folder / 'metadata.yaml')

    @property
    def name(self) -> str:
        """The charm's name."""
        return str(self.metadata.get('name') or self.folder.name)

    @property
    def image_resources(self) -> list[str]:
        """The names of the resources that are images, as metadata.yaml has them."""
        return [
            name
            for name, entry in self.resources.items()
            if entry['type'] in ('oci-image', 'docker')
        ]

    @property
    def resources(self) -> dict[str, dict[str, typing.Any]]:
        """The entries of metadata.yaml's resources, by name, each with a `type`."""
        declared = self.metadata.get('resources')
        return {
            name: {'type': 'file', **(entry if isinstance(entry, dict) else {})}
            for name, entry in (declared if isinstance(declared, dict) else {}).items()
        }

    @property
    def endpoints(self) -> dict[str, str]:
        """The role (requires, provides, peers) of each of the charm's endpoints, by name."""
        return {
            name: role
            for role in ('requires', 'provides', 'peers')
            for name in self.metadata.get(role) or {}
        }

    @functools.cached_property
    def options(self) -> dict[str, dict[str, typing.Any]]:
        """The entries of config.yaml, by name."""
        return read_yaml(self.folder / 'config.yaml').get('options') or {}

    @functools.cached_property
    def actions(self) -> dict[str, dict[str, typing.Any]]:
        """The entries of actions.yaml, by name."""
        return {
            name: entry if isinstance(entry, dict) else {}
            for name, entry in read_yaml(self.folder / 'actions.yaml').items()
        }

    def default_parameters(self, action: str) -> dict[str, typing.Any]:
        """Return the parameters that an action has without being told; raise UsageError."""
        if action not in self.actions:
            raise errors.UsageError(errors.unknown('action', action, self.actions))
        return {
            name: entry['default']
            for name, entry in (self.actions[action].get('params') or {}).items()
            if isinstance(entry, dict) and 'default' in entry
        }

    @functools.cached_property
    def layer(self) -> dict[str, typing.Any]:
        """The contents of the built layer.yaml."""
        return read_yaml(self.folder / 'layer.yaml')


def read_yaml(file: pathlib.Path) -> dict[str, typing.Any]:
    """Return the mapping in a file; an empty one if there is no file, or nothing in it."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return {}
    return copy.deepcopy(_read(file, stat.st_mtime_ns, stat.st_size, stat.st_ino))


@functools.lru_cache(maxsize=64)
def _read(file: pathlib.Path, *_changed: int) -> dict[str, typing.Any]:
    """Read a file once, as long as it stays as it is: every hook wants to know it."""
    try:
        content = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, ValueError) as error:
        raise errors.NotABuiltCharmError(f'{file} cannot be read: {error}') from error
    return content if isinstance(content, dict) else {}


def _check(folder: pathlib.Path) -> None:
    if folder.is_file():
        raise errors.NotABuiltCharmError(f'{folder} is a file: unpack it and pass the folder')
    if not folder.is_dir():
        raise errors.NotABuiltCharmError(f'{folder} is not a folder: {_MAKES_ONE}')
    what = _other_kind(folder)
    if what:
        raise errors.NotABuiltCharmError(f'{folder} {what}')


def _other_kind(folder: pathlib.Path) -> str:
    """Return what a folder holds instead of a built reactive charm, and what to do, or ''."""
    for sign in _OF_OPS:
        if (folder / sign).exists():
            return (
                f'holds a charm of the ops framework ({sign}), not of charms.reactive: '
                'test it with ops.testing'
            )
    has_hooks = (folder / 'hooks' / 'install').exists() and (folder / 'metadata.yaml').exists()
    if has_hooks and any(any(folder.glob(sign)) for sign in _OF_REACTIVE):
        return ''
    if (folder / 'layer.yaml').exists() or (folder / 'reactive').is_dir():
        return f'holds the source of a charm: {_MAKES_ONE}'
    if (folder / 'charmcraft.yaml').exists():
        return f'holds the source of a charmcraft project: {_MAKES_ONE}'
    if has_hooks:
        return (
            f'holds a charm of plain hooks ({_first_line(folder / "hooks" / "install")}), without '
            'charms.reactive: charm-unit runs reactive charms only'
        )
    if (folder / 'dispatch').exists():
        return (
            'holds a charm with a dispatch script and no hooks, such as charmcraft packs: '
            'charm-unit runs reactive charms only'
        )
    return 'does not hold a built charm, which has metadata.yaml and hooks/install: ' + _MAKES_ONE


def _first_line(hook: pathlib.Path) -> str:
    """Return what a hook's file is, in a few words."""
    if hook.is_symlink():
        return f'hooks/install is a link to {os.readlink(hook)}'
    with open(hook, 'rb') as script:
        first = script.readline(80).decode(errors='replace').strip()
    return f'hooks/install begins with {first!r}'
