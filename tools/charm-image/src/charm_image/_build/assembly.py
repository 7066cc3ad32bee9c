"""Makes an image of files, directories and links without a builder: the same on every engine.

Builders put times of theirs into layers and configurations. Here a layer is a tar archive
(OCI image specification 1.1, layer.md) with fixed times, written from the resources of a step and
what the base has; the engine loads the result.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pathlib
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

from charm_image import _errors, _progress, resources
from charm_image._build import build_target, context, plan
from charm_image._oci import images, oci_archive, platforms, tar
from charm_image.resources import _copied, _ownership, _tree

_CHUNK = 1 << 20
_WHITEOUT = '.wh.'
_OPAQUE = '.wh..wh..opq'
_MAX_LINKS = 40  # as in Linux
_FILE, _DIRECTORY, _LINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE
# what Docker's builders add, since a container without it finds no program
_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'


class _InBase(NamedTuple):
    """The content of a file in a layer of the base."""

    layer: str
    name: str


class _Node(NamedTuple):
    """A file (`content` bytes, a path on this machine or in the base), directory or link.

    `kind` is the type of tarfile; the base may have others, such as devices.
    """

    kind: bytes
    mode: int
    uid: int = 0
    gid: int = 0
    content: bytes | str | _InBase = b''
    link: str = ''


class _StopError(Exception):
    """A resource cannot be applied."""


class _Added(NamedTuple):
    """A new layer: its diff ID, and what it is from."""

    diff_id: str
    title: str
    content: IO[bytes]


class Assembly:
    """An image that is assembled step by step.

    Args:
        base: the base; None for scratch
        target: the image to build
        platform: its platform
    """

    def __init__(
        self,
        base: oci_archive.SavedImage | None,
        target: build_target.Target,
        platform: platforms.Platform,
    ):
        self._base = base
        self._base_layers = list(base.layers()) if base else []
        self._plan = target.plan
        self._settings = target.settings
        self._platform = platform
        self._nodes: dict[str, _Node] = {'': _Node(_DIRECTORY, 0o755)}
        self._changes: dict[str, _Node | None] = {}
        self._emptied: set[str] = set()
        self._added: list[_Added] = []
        self._changed: dict[str, bool] = {}  # by typed ID of a resource
        for diff_id, layer in self._base_layers:
            self._read(diff_id, layer)

    # what the base has

    def _read(self, digest: str, layer: Any) -> None:
        """Apply a layer of the base to the nodes."""
        with _opened(layer) as archive:
            for member in archive:
                path = os.path.normpath(f'/{member.name}')[1:]
                parent, _, name = path.rpartition('/')
                if name == _OPAQUE:
                    self._forget(parent, itself=False)
                    continue
                if name.startswith(_WHITEOUT):
                    self._forget(f'{parent}/{name[len(_WHITEOUT) :]}'.lstrip('/'))
                    continue
                old = self._nodes.get(path)
                if old and old.kind == _DIRECTORY and not member.isdir():
                    self._forget(path)
                if member.islnk():
                    target = os.path.normpath(f'/{member.linkname}')[1:]
                    if target in self._nodes:
                        self._nodes[path] = self._nodes[target]
                    continue
                self._nodes[path] = _Node(
                    _FILE if member.isreg() else member.type,
                    member.mode & 0o7777,
                    member.uid,
                    member.gid,
                    _InBase(digest, member.name),
                    member.linkname if member.issym() else '',
                )
        for path in list(self._nodes):  # layers may leave directories out
            while path := path.rpartition('/')[0]:
                if path in self._nodes:
                    break
                self._nodes[path] = _Node(_DIRECTORY, 0o755)

    def _forget(self, path: str, itself: bool = True) -> None:
        below = f'{path}/' if path else ''
        for name in [name for name in self._nodes if name.startswith(below) and name]:
            del self._nodes[name]
        if itself:
            self._nodes.pop(path, None)

    def _content(self, node: _Node) -> Any:
        if isinstance(node.content, bytes):
            return io.BytesIO(node.content)
        if isinstance(node.content, str):
            return open(node.content, 'rb')
        with _opened(dict(self._base_layers)[node.content.layer]) as archive:
            for member in archive:
                if member.name == node.content.name and (file := archive.extractfile(member)):
                    copy: Any = tempfile.SpooledTemporaryFile(_CHUNK)  # noqa: SIM115
                    shutil.copyfileobj(file, copy, _CHUNK)
                    copy.seek(0)
                    return copy
        raise _errors.BuildError(f'{node.content.name} is missing in the base')

    # paths, as the kernel finds them in the image

    def _resolve(self, path: str, follow: bool = False) -> str:
        """Return `path` without links in its directories; `follow`: nor at its end."""
        waiting = path.split('/')[::-1]
        resolved, links = '', 0
        while waiting:
            part = waiting.pop()
            if part in ('', '.'):
                continue
            if part == '..':
                resolved = resolved.rpartition('/')[0]
                continue
            here = f'{resolved}/{part}'.lstrip('/')
            node = self._nodes.get(here)
            if node and node.kind == _LINK and (follow or any(waiting)):
                links += 1
                if links > _MAX_LINKS:
                    raise _StopError(f'{path}: too many symbolic links')
                resolved = '' if node.link.startswith('/') else resolved
                waiting += node.link.split('/')[::-1]
            else:
                resolved = here
        return resolved

    def _put(self, path: str, node: _Node) -> None:
        self._nodes[path] = self._changes[path] = node

    def _remove(self, path: str) -> None:
        below = [name for name in self._nodes if name.startswith(f'{path}/')]
        for removed in (path, *below):
            del self._nodes[removed]
            self._changes.pop(removed, None)
        self._changes[path] = None
        self._emptied.add(path)

    def _make_parents(self, path: str, node: _Node | None = None) -> None:
        """Create the missing directories above `path`; without `node`, as root's, mode 755."""
        parent = path.rpartition('/')[0]
        if parent not in self._nodes:
            self._make_parents(parent, node)
            self._put(parent, node or _Node(_DIRECTORY, 0o755))
        elif self._nodes[parent].kind != _DIRECTORY:
            raise _StopError(f'/{parent} is not a directory')

    def _check_parent(self, path: str) -> None:
        parent = path.rpartition('/')[0]
        if parent not in self._nodes or self._nodes[parent].kind != _DIRECTORY:
            raise _StopError(f'/{parent} does not exist or is not a directory')

    # owners

    def _owner(self, resource: _copied.Copied | resources.Link) -> tuple[int, int]:
        groups = self._plan.primary_groups
        user, group = _ownership.resolve(resource.owner, resource.group, groups)
        fields = self._entry('passwd', user, 'user')
        uid = int(user) if user.isdigit() else int(fields[2])
        if group is None:
            return uid, int(fields[3])
        return uid, int(group) if group.isdigit() else int(self._entry('group', group, 'group')[2])

    def _entry(self, file: str, name: str, what: str) -> list[str]:
        """Return the fields of `name` in passwd(5) or group(5)."""
        if name.isdigit():
            return []
        if name == 'root':
            return [name, '', '0', '0']
        node = self._nodes.get(self._resolve(f'etc/{file}', follow=True))
        if node and node.kind == _FILE:
            with self._content(node) as content:
                for line in content.read().decode(errors='replace').splitlines():
                    fields: list[str] = line.split(':')
                    if fields[0] == name and len(fields) > 3 and fields[2].isdigit():
                        return fields
        raise _StopError(f'the {what} {name} does not exist')

    # resources

    def assemble(self, check: Callable[[], None]) -> None:
        """Apply the plan and the settings; call `check`, which may raise an error, in between.

        Raises:
            _errors.StepError: a resource cannot be applied
            _errors.BuildError: a file cannot be read
        """
        for step in self._plan.steps:
            self._apply_step(step)
            check()
        workdir = self._settings.workdir
        if workdir is not None:
            path = self._resolve(workdir, follow=True)
            if path not in self._nodes:
                self._make_parents(path)
                self._put(path, _Node(_DIRECTORY, 0o755))
                self._add_layer(f'WORKDIR {workdir}')

    def _apply_step(self, step: plan.Step) -> None:
        """Apply the resources of a step that no earlier step has applied, as one layer."""
        for resource in step.resources:
            if resource.typed_id in self._changed:
                continue
            watched = self._plan.watched(resource)
            if watched and not any(self._changed[other.typed_id] for other in watched):
                self._changed[resource.typed_id] = False
                continue
            before = dict(self._changes)
            try:
                self._apply(resource)
            except (_StopError, OSError) as error:
                raise _errors.StepError(
                    repr(resource), resource.location, resource.title, 1, [str(error)]
                ) from None
            self._changed[resource.typed_id] = resource.always_changes or self._changes != before
        self._add_layer(step.title)

    def _apply(self, resource: resources.Resource) -> None:
        if isinstance(resource, resources.Link):
            self._link(resource)
        elif isinstance(resource, resources.File):
            self._file(resource)
        elif isinstance(resource, resources.Directory) and resource.has_content:
            self._copy_tree(resource)
        elif isinstance(resource, resources.Directory):
            self._directory(resource)

    def _link(self, link: resources.Link) -> None:
        path = self._resolve(link.name)
        node = self._nodes.get(path)
        if link.removes:
            if node and node.kind != _LINK:
                raise _StopError(f'{link.name} is not a symbolic link')
            if node:
                self._remove(path)
            return
        if node and node.kind == _DIRECTORY:
            raise _StopError(f'{link.name} is a directory')
        self._check_parent(path)
        self._change(path, _Node(_LINK, 0o777, *self._owner(link), link=link.to))

    def _file(self, file: resources.File) -> None:
        path = self._resolve(file.name, follow=not (file.has_content or file.removes))
        node = self._nodes.get(path)
        if node and node.kind == _DIRECTORY:
            raise _StopError(f'{file.name} is a directory')
        if file.removes:
            if node:
                self._remove(path)
            return
        self._make_parents(path)
        content: bytes | str | _InBase = b''
        if file.has_content:
            content = file.content
        elif node and node.kind == _FILE:
            content = node.content
        self._change(path, _Node(_FILE, file.permissions, *self._owner(file), content))

    def _directory(self, directory: resources.Directory) -> None:
        path = self._resolve(directory.name, follow=True)
        node = self._nodes.get(path)
        if directory.removes:
            if not node and self._resolve(directory.name) not in self._nodes:
                return
            if not node or node.kind != _DIRECTORY:
                raise _StopError(f'{directory.name} is not a directory')
            is_empty = not any(name.startswith(f'{path}/') for name in self._nodes)
            if directory.policy == 'remove' and not is_empty:
                raise _StopError(f'{directory.name} is not empty')
            self._remove(path)
            return
        if node and node.kind != _DIRECTORY:
            raise _StopError(f'{directory.name} is not a directory')
        mode = 0o755 if directory.mode is None else directory.mode
        new = _Node(_DIRECTORY, mode, *self._owner(directory))
        if directory.parents:
            self._make_parents(path, new)
        else:
            self._check_parent(path)
        self._change(path, new)

    def _copy_tree(self, directory: resources.Directory) -> None:
        # as COPY does in all builders: what exists gets the mode and owner, and a link is replaced
        owner = self._owner(directory)
        parent = directory.name.rpartition('/')[0]
        for entry in directory.entries:
            path = self._resolve(f'{parent}/{entry.path}')
            node = self._nodes.get(path)
            if entry.content is None:
                if node and node.kind not in (_LINK, _DIRECTORY):
                    raise _StopError(f'{parent}/{entry.path} is not a directory')
                self._make_parents(path)
                self._put(path, _Node(_DIRECTORY, entry.mode, *owner))
            elif node and node.kind == _DIRECTORY:
                raise _StopError(f'{parent}/{entry.path} is a directory')
            elif isinstance(entry.content, _tree.Link):
                self._put(path, _Node(_LINK, 0o777, *owner, link=entry.content.to))
            else:
                self._put(path, _Node(_FILE, entry.mode, *owner, entry.content))

    def _change(self, path: str, node: _Node) -> None:
        if self._nodes.get(path) != node:
            self._put(path, node)

    # the result

    def _add_layer(self, title: str) -> None:
        """Write the changes as a layer."""
        if not self._changes:
            return
        output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        above: set[str] = set()
        for path in self._changes:
            while path := path.rpartition('/')[0]:
                above.add(path)
        for path in sorted({*self._changes, *above}):
            node = self._changes.get(path, self._nodes.get(path))
            if node is None:
                parent, _, name = path.rpartition('/')
                whiteout = f'{parent}/{_WHITEOUT}{name}'.lstrip('/')
                self._write(output, whiteout, _Node(_FILE, 0o644))
                continue
            self._write(output, path, node)
            if node.kind == _DIRECTORY and path in self._emptied:
                self._write(output, f'{path}/{_OPAQUE}', _Node(_FILE, 0o644))
        output.write(tar.END)
        output.seek(0)
        self._added.append(_Added(images.digest_of(output), title, output))
        self._changes, self._emptied = {}, set()

    def _write(self, output: IO[bytes], path: str, node: _Node) -> None:
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.mtime = node.kind, node.mode, context.MTIME
        info.uid, info.gid, info.linkname = node.uid, node.gid, node.link
        if node.kind != _FILE:
            output.writelines(tar.member(info))
            return
        try:
            with self._content(node) as content:
                info.size = tar.size_of(content)
                output.writelines(tar.member(info, content))
        except OSError as error:
            raise _errors.BuildError(f'cannot make a layer: {error}') from None

    @property
    def config(self) -> bytes:
        """The configuration of the image."""
        config = self._base.running_config() if self._base else {}
        self._configure(config)
        layers = [(diff_id, 'the base') for diff_id, _ in self._base_layers]
        layers += [(added.diff_id, _progress.shorten(added.title)) for added in self._added]
        created = oci_archive.TIME
        return oci_archive.encode_config(
            self._platform.descriptor,
            created,
            config,
            [diff_id for diff_id, _ in layers],
            [{'created': created, 'created_by': f'charm-image: {title}'} for _, title in layers],
        )

    def _configure(self, config: dict[str, Any]) -> None:
        settings = self._settings
        env = dict(variable.partition('=')[::2] for variable in config.get('Env') or [])
        env = {**dict([_PATH.split('=')] if 'PATH' not in env else ()), **env, **settings.env}
        config['Env'] = [f'{name}={value}' for name, value in env.items()]
        for key, values in (
            ('Volumes', settings.volumes),
            ('ExposedPorts', [number for port in settings.ports for number in _ports(port)]),
        ):
            if values:
                config[key] = {**(config.get(key) or {}), **dict.fromkeys(values, {})}
        if settings.labels:
            config['Labels'] = {**(config.get('Labels') or {}), **settings.labels}
        if settings.entrypoint is not None:
            config['Entrypoint'] = list(settings.entrypoint)
            config.pop('Cmd', None)  # as in Docker
        if settings.cmd is not None:
            config['Cmd'] = list(settings.cmd)
        for key, value in (
            ('WorkingDir', settings.workdir),
            ('User', settings.user),
            ('StopSignal', settings.stop_signal),
        ):
            if value is not None:
                config[key] = value

    def write(self, output: IO[bytes]) -> str:
        """Write the archive that `docker load` reads; return the digest of the configuration."""
        config = self.config
        digest = images.digest(config)
        names = []
        for diff_id, layer in self._base_layers:
            names.append(_name(diff_id, '.tar'))
            output.writelines(tar.member(tar.header(names[-1], layer.size), layer.open()))
        for added in self._added:
            name = _name(added.diff_id, '.tar')
            if name not in names:
                header = tar.header(name, tar.size_of(added.content))
                output.writelines(tar.member(header, added.content))
            names.append(name)
        manifest = [{'Config': _name(digest, '.json'), 'RepoTags': None, 'Layers': names}]
        for name, data in (
            (_name(digest, '.json'), config),
            ('manifest.json', json.dumps(manifest).encode()),
        ):
            output.writelines(tar.member(tar.header(name, len(data)), io.BytesIO(data)))
        output.write(tar.END)
        return digest

    def close(self) -> None:
        """Remove the temporary files."""
        for added in self._added:
            added.content.close()


def _opened(layer: Any) -> tarfile.TarFile:
    content: Any = layer.open()
    return tarfile.open(fileobj=content, mode='r|')


class Memory:
    """Remembers what was assembled of the same content, so that the base need not be read again.

    `parts` are all that decides the image. See the XDG Base Directory Specification.
    """

    def __init__(self, *parts: str):
        # another version may assemble another image
        digest = hashlib.sha256(pathlib.Path(__file__).read_bytes())
        digest.update('\n'.join(parts).encode())
        home = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
        self._path = pathlib.Path(home, 'charm-image', 'images', digest.hexdigest())

    def recall(self) -> str:
        """Return the ID of the image, '' if it is not known."""
        with contextlib.suppress(OSError, ValueError):
            return self._path.read_text(encoding='ascii')
        return ''

    def store(self, image: str) -> None:
        """Remember the ID of the image."""
        with contextlib.suppress(OSError):  # it is only slower next time
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(image, encoding='ascii')


def _name(digest: str, ending: str) -> str:
    return digest.removeprefix('sha256:') + ending


def _ports(port: str) -> Iterator[str]:
    """Yield each port of a range, with its protocol."""
    numbers, _, protocol = port.partition('/')
    first, _, last = numbers.partition('-')
    for number in range(int(first), int(last or first) + 1):
        yield f'{number}/{protocol or "tcp"}'
