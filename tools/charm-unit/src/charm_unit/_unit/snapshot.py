"""A unit as it was at some moment, to continue from there any number of times."""

import copy
import os
import pathlib
import shutil
import stat
import tempfile
import typing
import weakref

from charm_unit._unit import unit

_REMADE = ('calls', 'host', 'output', 'processes', 'tools')
"""What no hook changes, and what each hook has afresh."""

_Signature = tuple[object, ...]


class Snapshot:
    """The files and the state of a unit, between two hooks.

    Only files that differ from the charm's build are copied. A unit is restored into the same
    folder, because charms keep absolute paths.
    """

    def __init__(self, subject: unit.Unit) -> None:
        self._unit = _copy(subject)
        self._copies = pathlib.Path(tempfile.mkdtemp(prefix='charm-unit-'))
        self._finalizer = weakref.finalize(
            self, shutil.rmtree, str(self._copies), ignore_errors=True
        )
        self._files, self._folders = _scan(subject.folder)
        self._sources: dict[str, pathlib.Path] = {}
        for path, signature in self._files.items():
            built = subject.built.folder / os.path.relpath(subject.folder / path, subject.charm)
            if _signature(built) == signature:
                self._sources[path] = built
            else:
                self._sources[path] = self._copies / path
                self._sources[path].parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(subject.folder / path, self._sources[path], follow_symlinks=False)

    def restore(self) -> unit.Unit:
        """Return the unit as it was; the one that is in its folder must not be used any more."""
        subject = _copy(self._unit)
        files, folders = _scan(subject.folder)
        for path in files.keys() - self._files.keys():
            (subject.folder / path).unlink()
        for path in sorted(folders - self._folders, reverse=True):
            shutil.rmtree(subject.folder / path, ignore_errors=True)
        for path in sorted(self._folders - folders):
            (subject.folder / path).mkdir(exist_ok=True)
        for path, signature in self._files.items():
            if files.get(path) != signature:
                (subject.folder / path).unlink(missing_ok=True)
                shutil.copy2(self._sources[path], subject.folder / path, follow_symlinks=False)
        return subject

    def discard(self) -> None:
        """Delete the copies."""
        self._finalizer()


def _copy(subject: unit.Unit) -> unit.Unit:
    """Return a copy that shares only what never changes."""
    memo: dict[int, typing.Any] = {id(subject.built): subject.built}
    memo.update({id(run): run for run in subject.runs})
    return copy.deepcopy(subject, memo)


def _scan(folder: pathlib.Path) -> tuple[dict[str, _Signature], set[str]]:
    """Return the signatures of files, and the folders, by paths relative to `folder`."""
    files: dict[str, _Signature] = {}
    folders: set[str] = set()
    pending = [name for name in os.listdir(folder) if name not in _REMADE]
    while pending:
        path = pending.pop()
        signature = _signature(folder / path)
        if signature is None:  # a pipe or a socket, which belongs to the process that made it
            continue
        if signature == ():
            folders.add(path)
            pending += [os.path.join(path, name) for name in os.listdir(folder / path)]
        else:
            files[path] = signature
    return files, folders


def _signature(file: pathlib.Path) -> '_Signature | None':
    """Return what differs if a file was changed; () for a folder, None for what has no content."""
    try:
        found = os.lstat(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(found.st_mode):
        return ()
    if stat.S_ISLNK(found.st_mode):
        return (os.readlink(file),)
    if stat.S_ISREG(found.st_mode):
        return (found.st_mtime_ns, found.st_size, found.st_mode)
    return None
