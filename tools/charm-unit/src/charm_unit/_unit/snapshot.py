"""A unit as it was at some moment, to continue from there any number of times."""

import copy
import os
import shutil
import typing
import weakref

from charm_unit._unit import files, unit

_REMADE = ('calls', 'host', 'output', 'processes', 'tools')
"""What no hook changes, and what each hook has afresh."""


class Snapshot:
    """The files and the state of a unit, between two hooks.

    Only files that differ from the charm's build are copied, and from `base`, an earlier snapshot
    of the same folder, which must last longer. A unit is restored into the same folder, because
    charms keep absolute paths.
    """

    def __init__(self, subject: unit.Unit, base: 'Snapshot | None' = None) -> None:
        self._unit = _copy(subject)
        self._copies = files.temporary_folder()
        self._finalizer = weakref.finalize(self, shutil.rmtree, self._copies, ignore_errors=True)
        self._root = str(subject.folder)
        self._files, self._folders = files.scan(self._root, _REMADE)
        charms = [(f'{one.charm}/', f'{one.built.folder}/') for one in (subject, *subject.peers)]
        self._sources: dict[str, str] = {}
        for path, signature in self._files.items():
            if base and base._files.get(path) == signature:
                self._sources[path] = base._sources[path]
                continue
            there = os.path.join(self._root, path)
            shipped = [
                built + there.removeprefix(charm)
                for charm, built in charms
                if there.startswith(charm)
            ]
            if shipped and files.signature_of(shipped[0]) == signature:
                self._sources[path] = shipped[0]
            else:
                self._sources[path] = os.path.join(self._copies, path)
                files.copy(there, self._sources[path])

    def restore(self) -> unit.Unit:
        """Return the unit as it was; the one that is in its folder must not be used any more."""
        now, folders = files.scan(self._root, _REMADE)
        for path in now.keys() - self._files.keys():
            os.unlink(os.path.join(self._root, path))
        for path in sorted(folders - self._folders, reverse=True):
            shutil.rmtree(os.path.join(self._root, path), ignore_errors=True)
        for path in sorted(self._folders - folders):
            os.makedirs(os.path.join(self._root, path), exist_ok=True)
        for path, signature in self._files.items():
            if now.get(path) != signature:
                files.copy(self._sources[path], os.path.join(self._root, path))
        return _copy(self._unit)

    def discard(self) -> None:
        """Delete the copies."""
        self._finalizer()


def _copy(subject: unit.Unit) -> unit.Unit:
    """Return a copy that shares only what never changes."""
    memo: dict[int, typing.Any] = {}
    for one in (subject, *subject.peers):
        memo.update({id(kept): kept for kept in (one.built, *one.runs)})
    return copy.deepcopy(subject, memo)
