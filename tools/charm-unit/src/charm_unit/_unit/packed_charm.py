"""Unpacks a `.charm`: a ZIP file with a charm's files, as `charm deploy` and Juju exchange them.

Modes and symbolic links are kept in it as `zip` keeps them (juju/charm, chararchive.go).
"""

import functools
import lzma
import os
import pathlib
import shutil
import stat
import tempfile
import zipfile
import zlib

from charm_unit._unit import errors

_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)


def unpack(file: pathlib.Path) -> pathlib.Path:
    """Return the folder with a packed charm's files, which lasts as long as this program.

    Raises NotABuiltCharmError if it is not a ZIP file, or leads out of its folder.
    """
    status = file.stat()
    return pathlib.Path(_unpack_once(file, status.st_mtime_ns, status.st_size).name)


@functools.cache
def _unpack_once(file: pathlib.Path, *_changed: int) -> 'tempfile.TemporaryDirectory[str]':
    into = tempfile.TemporaryDirectory(prefix='charm-unit-')
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                _extract(archive, member, pathlib.Path(into.name).resolve())
    except (*_BROKEN, OSError, ValueError, RuntimeError) as error:
        into.cleanup()
        raise errors.NotABuiltCharmError(
            f'{file} is not a packed charm: {error}. Pass a .charm file, or the folder that '
            '`charm-build` creates'
        ) from error
    return into


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: pathlib.Path) -> None:
    target = into / member.filename
    if into not in (target.parent.resolve() / target.name).parents and target != into:
        raise ValueError(f'{member.filename} leads out of it')
    mode = member.external_attr >> 16
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISLNK(mode):
        link = os.fsdecode(archive.read(member))
        if not (target.parent / link).resolve().is_relative_to(into) or os.path.isabs(link):
            raise ValueError(f'the link {member.filename} leads out of it')
        target.symlink_to(link)
        return
    with archive.open(member) as source, open(target, 'wb') as copy:
        shutil.copyfileobj(source, copy)
    if mode:
        target.chmod(stat.S_IMODE(mode) & 0o755 | stat.S_IRUSR | stat.S_IWUSR)
