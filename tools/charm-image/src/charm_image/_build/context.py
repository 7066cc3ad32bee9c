"""Writes the context of a build: the Dockerfile and the files that it copies, reproducibly."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from typing import IO, TypeAlias

from charm_image._oci import tar
from charm_image.resources import _tree

#: The modification time of files, in seconds: 1980-01-01, which every archive format supports.
MTIME = 315532800

Content: TypeAlias = bytes | str | _tree.Link | None
"""The content of a file, the path of a file that has it, a link, or None for a directory."""

Files: TypeAlias = Mapping[str, tuple[Content, int]]
"""Content and mode by path in the context."""


def write(files: Files, dockerfile: str, directory: str | os.PathLike[str]) -> None:
    """Write the context into `directory`, which must be empty or missing.

    Raises:
        OSError: it cannot be written
    """
    root = pathlib.Path(directory)
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise FileExistsError(f'{root} is not empty: use an empty or new directory')
    directories = []
    for name, content, mode in _all(files, dockerfile):
        path = root / name
        if content is None:
            path.mkdir(exist_ok=True)
            directories.append((path, mode))
        elif isinstance(content, _tree.Link):
            path.symlink_to(content.to)
        else:
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(opened, 'wb') as file, _opened(content) as source:
                shutil.copyfileobj(source, file, 1 << 20)
            os.chmod(path, mode)
            os.utime(path, (MTIME, MTIME))
    for path, mode in reversed(directories):  # the mode may forbid to write into it
        os.chmod(path, mode)
        os.utime(path, (MTIME, MTIME))


def archive(files: Files, dockerfile: str, output: IO[bytes]) -> None:
    """Write the context as a tar archive to `output`."""
    written = 0
    for name, content, mode in _all(files, dockerfile):
        info = tarfile.TarInfo(name)
        info.mode, info.mtime = mode, MTIME
        with contextlib.ExitStack() as stack:
            source = None
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, _tree.Link):
                info.type, info.linkname = tarfile.SYMTYPE, content.to
            else:
                source = stack.enter_context(_opened(content))
                info.size = tar.size_of(source)
            # addfile of tarfile takes twice the time for a small file
            written += sum(map(output.write, tar.member(info, source)))
    written += output.write(tar.END)
    output.write(tar.padding(written))


def _all(files: Files, dockerfile: str) -> Iterator[tuple[str, Content, int]]:
    yield 'Dockerfile', dockerfile.encode(), 0o644
    for directory in sorted({name.partition('/')[0] for name in files}):
        yield directory, None, 0o755
    for name, (content, mode) in sorted(files.items()):
        yield name, content, mode


def _opened(content: bytes | str) -> IO[bytes]:
    return io.BytesIO(content) if isinstance(content, bytes) else open(content, 'rb')
