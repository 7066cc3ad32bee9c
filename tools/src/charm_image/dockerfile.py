"""A Dockerfile and its context for a bundle of resources.

The same input gives the same bytes. Instructions are those that every builder has: Docker's
classic one, BuildKit and buildah. See the Dockerfile reference,
https://docs.docker.com/reference/dockerfile.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import json
import os
import pathlib
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO

from charm_image import _packages, _scripts, _shell, _snapshots, bundle, errors, resources

#: Files have this time, in seconds: 1980-01-01, the first that archives of every kind can say.
MTIME = 315532800

NEWLINE = 'CHARM_IMAGE_NEWLINE'
"""The build argument that is a newline, for which ENV and LABEL have no spelling."""

# an overlay takes some 125 layers, and the base has its own
_MOST_INSTRUCTIONS = 90
# Linux gives a program no argument above 128 KiB
_LONGEST_SCRIPT = 120_000
# Docker's parser takes no line above 64 KiB
_LONGEST_LINE = 8_000

_Content = bytes | str | None  # str: the path of the file that has it; None: a directory
_Stage = Callable[[bytes | str], str]


@dataclasses.dataclass(frozen=True)
class Step:
    """What applies some resources: one or two instructions."""

    resources: tuple[resources.Resource, ...]
    instructions: tuple[str, ...]

    @property
    def title(self) -> str:
        """The names of its resources, on one line."""
        return ', '.join(_shell.one_line(repr(each)) for each in self.resources)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What an image starts from and says about itself; all of it valid."""

    from_image: str
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    volumes: Sequence[str] = ()
    ports: Sequence[str] = ()
    cmd: Sequence[str] | None = None
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    user: str = ''  #: whom the base runs as, if not root

    @property
    def arguments(self) -> dict[str, str]:
        """The build arguments that the Dockerfile needs."""
        values = (*self.env.values(), *self.labels.values())
        return {NEWLINE: '\n'} if any('\n' in value for value in values) else {}


@dataclasses.dataclass(frozen=True)
class _Part:
    """A resource in a step: `finish` is what COPY leaves to do for a file."""

    resource: resources.Resource
    finish: bool = False


@dataclasses.dataclass
class _Unit:
    parts: list[_Part]
    key: object  # neighbours with the same one make one step; None: it stays alone
    copy: bool = False
    bound: bool = False  # by watches


class Plan:
    """The steps for a bundle, and the files that they copy."""

    def __init__(self, resource_bundle: bundle.ResourceBundle, arguments: Iterable[str] = ()):
        """
        Args:
            resource_bundle: what to apply
            arguments: build arguments, which commands shall not see
        Raises:
            errors.ResourceError: a resource is too large for a shell
        """
        #: Content and mode by path in the context.
        self.files: dict[str, tuple[_Content, int]] = {}
        self._bundle = resource_bundle
        self._arguments = tuple(arguments)
        self._owners = {
            each.name: each.first_group
            for each in resource_bundle
            if isinstance(each, resources.User) and not each.removes
        }
        self._chowns = self._chown_flags()
        units = self._units()
        self.steps = self._steps(units)
        if sum(len(step.instructions) for step in self.steps) > _MOST_INSTRUCTIONS:
            self.steps = self._steps(_merged(units, _MOST_INSTRUCTIONS // 2))

    def _steps(self, units: list[_Unit]) -> list[Step]:
        self.files = {}
        self._directories = {'/'}
        steps = []
        for unit in units:
            steps += self._copy(unit) if unit.copy else self._run(unit)
        return steps

    def _units(self) -> list[_Unit]:
        units: list[_Unit] = []
        everything = list(self._bundle)
        position = {each.typed_id: index for index, each in enumerate(everything)}
        index = 0
        while index < len(everything):
            end = self._bound_end(everything, position, index)
            if end > index:
                parts = [_Part(each) for each in everything[index : end + 1]]
                units.append(_Unit(parts, None, bound=True))
                index = end + 1
                continue
            for unit in self._own_units(everything[index]):
                if units and unit.key is not None and units[-1].key == unit.key:
                    units[-1].parts += unit.parts
                else:
                    units.append(unit)
            index += 1
        return units

    def _bound_end(
        self, everything: list[resources.Resource], position: Mapping[str, int], start: int
    ) -> int:
        """The last of the resources that have to share a step with the one at `start`."""
        end = start
        for index in range(start + 1, len(everything)):
            watched = [position[each.typed_id] for each in self._watched(everything[index])]
            if any(start <= each <= end for each in watched):
                end = index
        return end

    def _watched(self, resource: resources.Resource) -> list[resources.Resource]:
        """What decides whether `resource` is applied; nothing if it is in any case."""
        watched = [self._bundle.named(each) for each in resource.watches]
        present = [each for each in watched if each is not None]
        return [] if any(map(_snapshots.always_news, present)) else present

    def _own_units(self, resource: resources.Resource) -> Iterator[_Unit]:
        part = [_Part(resource)]
        if isinstance(resource, resources.File) and _snapshots.always_news(resource):
            parent = resource.name.rpartition('/')[0]
            chown = self._chowns[resource.typed_id]
            yield _Unit(part, ('copy', parent, chown), copy=True)
            if _scripts.finish_file(resource, self._owners, chown is None):
                yield _Unit([_Part(resource, finish=True)], 'quick')
        elif isinstance(resource, resources.Execute):
            yield _Unit(part, None)
        elif isinstance(resource, resources.Package):
            yield _Unit(part, _package_kind(resource))
        else:
            yield _Unit(part, 'quick')

    def _chown_flags(self) -> dict[str, str | None]:
        """The flag of COPY for each file; None where a script has to give it its owner.

        BuildKit takes a name that the image doesn't have for root's, so COPY is told only numbers,
        and names that the bundle has made by then.
        """
        made = {'0', 'root'}
        flags: dict[str, str | None] = {}
        for resource in self._bundle:
            if isinstance(resource, (resources.User, resources.Group)):
                names = {resource.name, *_first_group(resource)}
                made = made - names if resource.removes else made | names
            elif isinstance(resource, resources.File):
                owner, group = _scripts.ownership(resource.owner, resource.group, self._owners)
                sure = [
                    each is not None and (each in made or each.isdigit())
                    for each in (owner, group)
                ]
                ids = ['0' if each == 'root' else each for each in (owner, group)]
                flag = '' if ids == ['0', '0'] else f'--chown={ids[0]}:{ids[1]} '
                flags[resource.typed_id] = flag if all(sure) else None
        return flags

    # COPY of a directory, not of a file: a file would end up inside a directory of its name
    def _copy(self, unit: _Unit) -> list[Step]:
        files = [part.resource for part in unit.parts if isinstance(part.resource, resources.File)]
        parent = files[0].name.rpartition('/')[0] + '/'
        chown = self._chowns[files[0].typed_id] or ''
        instructions = []
        if chown and parent not in self._directories:
            # made here, it is root's; COPY would give it to the file's owner
            self.files['files/none'] = (None, 0o755)
            instructions.append(f'COPY {_paths("files/none/", parent)}')
        parts = parent.split('/')
        self._directories.update('/'.join(parts[:depth]) + '/' for depth in range(1, len(parts)))
        source = f'files/{_key(files[0])}'
        self.files[source] = (None, 0o755)
        for file in files:
            content = file.source if file.source is not None else file.contents
            mode = 0o644 if file.mode is None else file.mode
            self.files[f'{source}/{file.name.rpartition("/")[2]}'] = (content, mode & 0o1777)
        instructions.append(f'COPY {chown}{_paths(source + "/", parent)}')
        return [Step(tuple(files), tuple(instructions))]

    def _run(self, unit: _Unit) -> list[Step]:
        stage = f'stage/{_key(unit.parts[0].resource)}'
        staged: list[bytes | str] = []

        def bring(content: bytes | str) -> str:
            staged.append(content)
            return f'{_scripts.STAGE}/{len(staged)}'

        lines = self._script(unit, bring)
        instructions = []
        if staged:
            instructions.append(f'COPY {_paths(stage + "/", _scripts.STAGE + "/")}')
            lines.append(f'rm -rf {_scripts.STAGE}')
        size = len('\n'.join(lines).encode())
        if size > _LONGEST_SCRIPT:
            if len(unit.parts) > 1 and not unit.bound:
                half = len(unit.parts) // 2
                halves = (_Unit(unit.parts[:half], None), _Unit(unit.parts[half:], None))
                return [step for each in halves for step in self._run(each)]
            first = unit.parts[0].resource
            raise errors.ResourceError(
                f'{cut(repr(first))} makes a script of {size} bytes, '
                f'and a shell can be given {_LONGEST_SCRIPT}; put what is large into a File',
                first.location,
            )
        if staged:
            self.files[stage] = (None, 0o700)
        for number, content in enumerate(staged, 1):
            self.files[f'{stage}/{number}'] = (content, 0o600)
        instructions.append(f'RUN ["/bin/sh", "-euc", "{_written(lines)}"]')
        return [Step(tuple(part.resource for part in unit.parts), tuple(instructions))]

    def _script(self, unit: _Unit, bring: _Stage) -> list[str]:
        news: dict[str, str] = {}
        if unit.bound:
            for part in unit.parts:
                for watched in self._watched(part.resource):
                    news.setdefault(watched.typed_id, f'_news{len(news) + 1}')
        functions: dict[str, list[str]] = {}
        lines = [f'{name}=' for name in news.values()]
        bodies = list(self._bodies(unit, bring, news, functions))
        for title, watched_by, body in bodies:
            if len(bodies) > 1:
                lines.append(_shell.say(f'=> {title}'))
            if watched_by:
                condition = ''.join(f'${news[each.typed_id]}' for each in watched_by)
                body = [f'if [ -n "{condition}" ]; then', *(f'    {each}' for each in body), 'fi']
            lines += body
        hide = [f'unset {name}' for name in self._arguments]
        return [*hide, 'umask 0022', *itertools.chain(*functions.values()), *lines]

    def _bodies(
        self,
        unit: _Unit,
        bring: _Stage,
        news: Mapping[str, str],
        functions: dict[str, list[str]],
    ) -> Iterator[tuple[str, list[resources.Resource], list[str]]]:
        def kind(part: _Part) -> object:
            each = part.resource
            if not isinstance(each, resources.Package) or each.watches or each.typed_id in news:
                return part
            return _package_kind(each)

        for _, run in itertools.groupby(unit.parts, kind):
            parts = list(run)
            packages = [
                each.resource for each in parts if isinstance(each.resource, resources.Package)
            ]
            if len(packages) > 1:
                yield ', '.join(map(repr, packages)), [], _packages.script(packages)
                continue
            for part in parts:
                resource = part.resource
                if part.finish and isinstance(resource, resources.File):
                    chown = self._chowns[resource.typed_id] is None
                    yield repr(resource), [], _scripts.finish_file(resource, self._owners, chown)
                    continue
                own_news = news.get(resource.typed_id, '')
                script = _scripts.of(resource, self._owners, bring, own_news)
                functions.update(script.functions)
                yield repr(resource), self._watched(resource), script.lines

    def instructions(self, settings: Settings) -> list[tuple[Step | None, str]]:
        """Give all instructions, each with the step that it belongs to."""
        steps = [(step, instruction) for step in self.steps for instruction in step.instructions]
        before = [f'FROM {settings.from_image}']
        before += [f'ARG {name}' for name in settings.arguments]
        before += [f'ENV {name}={_quoted(value)}' for name, value in settings.env.items()]
        after = []
        if settings.user and steps:
            before.append('USER 0')
            after.append(f'USER {_word(settings.user)}')
        for name, value in settings.labels.items():
            after.append(f'LABEL {_quoted(name)}={_quoted(value)}')
        if settings.volumes:
            after.append(f'VOLUME {_words(settings.volumes)}')
        if settings.ports:
            after.append(f'EXPOSE {" ".join(settings.ports)}')
        if settings.cmd is not None:
            after.append(_wrapped(f'CMD [{", ".join(map(_json, settings.cmd))}]'))
        return [*((None, each) for each in before), *steps, *((None, each) for each in after)]

    def dockerfile(self, settings: Settings) -> str:
        """Write the Dockerfile."""
        lines = ['# Made by charm_image from resources in Python.']
        if settings.arguments:
            lines.append(f"# Build it with: docker build --build-arg {NEWLINE}=$'\\n' .")
        last: object = ''
        for step, instruction in self.instructions(settings):
            if step is not last:
                lines += ['', *([f'# {cut(step.title)}'] if step else [])]
                last = step
            lines.append(instruction)
        return '\n'.join(lines) + '\n'

    def write(self, directory: str | os.PathLike[str], dockerfile: str) -> None:
        """Write the context into `directory`, which must be empty or not be there.

        Raises:
            OSError: it can't be written
        """
        root = pathlib.Path(directory)
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()):
            raise FileExistsError(f'{root} is not empty; a context needs a directory of its own')
        for name, content, mode in self._context(dockerfile):
            path = root / name
            path.parent.mkdir(exist_ok=True)
            if content is None:
                path.mkdir(exist_ok=True)
            else:
                opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(opened, 'wb') as file, _opened(content) as source:
                    while chunk := source.read(1 << 20):
                        file.write(chunk)
                os.chmod(path, mode)
                os.utime(path, (MTIME, MTIME))

    def archive(self, output: IO[bytes], dockerfile: str) -> None:
        """Write the context as a tar archive to `output`."""
        with tarfile.open(fileobj=output, mode='w', format=tarfile.PAX_FORMAT) as tar:
            for name, content, mode in self._context(dockerfile):
                info = tarfile.TarInfo(name)
                info.mode, info.mtime = mode, MTIME
                if content is None:
                    info.type = tarfile.DIRTYPE
                    tar.addfile(info)
                    continue
                with _opened(content) as source:
                    info.size = source.seek(0, io.SEEK_END)
                    source.seek(0)
                    tar.addfile(info, source)

    def _context(self, dockerfile: str) -> Iterator[tuple[str, _Content, int]]:
        yield 'Dockerfile', dockerfile.encode(), 0o644
        for directory in sorted({name.partition('/')[0] for name in self.files}):
            yield directory, None, 0o755
        for name, (content, mode) in sorted(self.files.items()):
            yield name, content, mode


def _first_group(resource: resources.User | resources.Group) -> set[str]:
    return {resource.first_group} if isinstance(resource, resources.User) else set()


def _package_kind(package: resources.Package) -> tuple[object, ...]:
    """What one run of a package manager has in common."""
    return 'package', package.removes, package.purge, package.backend


def _merged(units: list[_Unit], most: int) -> list[_Unit]:
    """Make `most` steps of more, each a script."""
    size = -(-len(units) // most)
    merged = []
    for start in range(0, len(units), size):
        chunk = units[start : start + size]
        if len(chunk) == 1:
            merged.append(chunk[0])
            continue
        # a file that a script places needs no finish
        parts = [part for unit in chunk for part in unit.parts]
        placed = {id(part.resource) for part in parts if not part.finish}
        parts = [part for part in parts if not part.finish or id(part.resource) not in placed]
        merged.append(_Unit(parts, None, bound=any(unit.bound for unit in chunk)))
    return merged


def _opened(content: bytes | str) -> IO[bytes]:
    return io.BytesIO(content) if isinstance(content, bytes) else open(content, 'rb')


def _key(resource: resources.Resource) -> str:
    """A name in the context, that stays the same while others come and go."""
    digest = hashlib.sha256(resource.typed_id.encode()).hexdigest()[:12]
    readable = re.sub(r'[^A-Za-z0-9]+', '-', resource.id)[-40:].strip('-').lower()
    return f'{digest}-{readable}' if readable else digest


def cut(title: str) -> str:
    """Shorten `title` to what fits a few lines."""
    return title if len(title) <= 200 else title[:199] + '…'


def _json(text: str) -> str:
    """Write a JSON string that no parser of Dockerfiles takes for more than that."""
    written = json.dumps(text, ensure_ascii=False)
    # << would begin a here-document
    return ''.join(
        each if each.isprintable() and each != '<' else _escaped(each) for each in written
    )


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if ord(character) > 126 else f'\\u{ord(character):04x}'


def _written(lines: Iterable[str]) -> str:
    """Write a script inside a JSON string, a line of it on a line.

    The line ends in the backslash that Dockerfiles continue lines with, so none must begin as a
    comment does. Parsers may drop spaces at its start, which indent.
    """
    written = ['\\\n']
    for line in lines:
        text = re.sub('^( *)#', lambda found: found[1] + _escaped('#'), _json(line)[1:-1])
        written.append(_wrapped(text) + '\\n\\\n')
    return ''.join(written)


def _wrapped(text: str) -> str:
    """Continue a line that is too long for Docker's parser on further ones."""
    if len(text) <= _LONGEST_LINE:
        return text
    # not after a backslash, nor before what a parser may drop at the start of a line
    pieces = re.findall(rf'.{{{_LONGEST_LINE},}}?(?<=[^\\\s])(?=[^\\\s#])|.+', text, re.DOTALL)
    return '\\\n'.join(pieces)


def _quoted(value: str) -> str:
    """Write a value of ENV or LABEL, which both expand, so that it stays as it is."""
    escaped = re.sub(r'([\\"$])', r'\\\1', value).replace('\n', f'${{{NEWLINE}}}')
    return _wrapped(f'"{escaped}"')


def _word(text: str) -> str:
    return re.sub(r'([\\"\'$])', r'\\\1', text)


def _words(texts: Iterable[str]) -> str:
    """Write a JSON list whose strings are expanded afterwards, as those of COPY and VOLUME are."""
    return f'[{", ".join(_json(_word(text)) for text in texts)}]'


def _paths(source: str, target: str) -> str:
    if re.fullmatch('[A-Za-z0-9._/+@-]+', target):
        return f'{source} {target}'
    return _words([source, target])
