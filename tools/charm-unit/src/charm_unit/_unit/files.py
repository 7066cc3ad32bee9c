"""Files by what tells that one has changed: kept, compared and copied with it."""

import os
import shutil
import stat
import tempfile
import typing

Signature = tuple[object, ...]

_IN_MEMORY = '/dev/shm'  # noqa: S108 (new folders in it are this user's only)
_ENOUGH = 1 << 30
"""Bytes that are free where units are, at least; one takes a few million."""


def temporary_folder() -> str:
    """Return a new folder for a unit, in memory if programs can run from there.

    A hook makes and deletes dozens of small files, which takes a disk as long as the hook. TMPDIR
    and its like choose another place.
    """
    parent = None
    if not any(os.environ.get(name) for name in ('TMPDIR', 'TEMP', 'TMP')) and _suits(_IN_MEMORY):
        parent = _IN_MEMORY
    return tempfile.mkdtemp(prefix='charm-unit-', dir=parent)


def _suits(folder: str) -> bool:
    """Return whether hooks can be in a folder, which is often small in a container."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    may_run = not found.f_flag & os.ST_NOEXEC
    free = found.f_bavail * found.f_frsize
    return may_run and free >= _ENOUGH and os.access(folder, os.W_OK | os.X_OK)


def signature(status: os.stat_result, path: str) -> 'Signature | None':
    """Return what differs if a file was changed; () for a folder, None for what has no content."""
    if stat.S_ISREG(status.st_mode):
        return (status.st_mtime_ns, status.st_size, status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return ()
    if stat.S_ISLNK(status.st_mode):
        return (os.readlink(path),)
    return None


def signature_of(path: str) -> 'Signature | None':
    """Return the signature of a file; None if there is none."""
    try:
        return signature(os.lstat(path), path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def scan(
    folder: str, left_out: typing.Collection[str] = ()
) -> tuple[dict[str, Signature], set[str]]:
    """Return the signatures of the files below a folder, and its folders, by relative paths.

    What is directly in it and `left_out` is not looked at, nor are pipes and sockets.
    """
    files: dict[str, Signature] = {}
    folders: set[str] = set()
    pending = ['']
    while pending:
        parent = pending.pop()
        with os.scandir(os.path.join(folder, parent)) as entries:
            for entry in entries:
                if not parent and entry.name in left_out:
                    continue
                path = f'{parent}/{entry.name}' if parent else entry.name
                found = signature(entry.stat(follow_symlinks=False), entry.path)
                if found == ():
                    folders.add(path)
                    pending.append(path)
                elif found is not None:
                    files[path] = found
    return files, folders


def copy(source: str, target: str) -> None:
    """Copy a file, or a symbolic link, over what may be there, with its time and its mode."""
    try:
        os.unlink(target)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
