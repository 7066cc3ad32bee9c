"""Turns a bundle of resources into the steps of a build, and the files that they copy."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from charm_image import _errors, _progress, resources
from charm_image._build import bundle, context, dockerfile
from charm_image.resources import _copied, _ownership, _package_managers, _scripts, _shell, _tree

# overlayfs supports about 125 layers, including those of the base
_MOST_INSTRUCTIONS = 90
# Linux limits an argument of a program to 128 KiB
_LONGEST_SCRIPT = 120_000


@dataclasses.dataclass(frozen=True)
class Step:
    """One or two instructions that apply some resources."""

    resources: tuple[resources.Resource, ...]
    instructions: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its resources, as one line."""
        return ', '.join(_shell.one_line(repr(resource)) for resource in self.resources)


@dataclasses.dataclass(frozen=True)
class _Part:
    """A resource in a step; `finish`: only what COPY leaves to do for a file."""

    resource: resources.Resource
    finish: bool = False


@dataclasses.dataclass
class _Group:
    parts: list[_Part]
    key: object  # neighbours with the same key share a step; None: not shared
    copy: bool = False
    watched_together: bool = False  # by watches


class Plan:
    """The steps of a bundle, and the files that they copy.

    Args:
        resource_bundle: the resources
        arguments: names of build arguments, which are hidden from commands

    Raises:
        _errors.ResourceError: a resource is too large for a shell
    """

    def __init__(self, resource_bundle: bundle.ResourceBundle, arguments: Iterable[str] = ()):
        #: Content and mode by path in the context.
        self.files: dict[str, tuple[context.Content, int]] = {}
        self._bundle = resource_bundle
        self._arguments = tuple(arguments)
        #: The paths of the secrets of commands, by name.
        self.secrets: dict[str, str] = {}
        #: The primary group of each user that the bundle creates.
        self.primary_groups = {
            resource.name: resource.first_group
            for resource in resource_bundle
            if isinstance(resource, resources.User) and not resource.removes
        }
        self._chowns = self._chown_flags()
        groups = self._groups()
        self.steps = self._steps(groups)
        if sum(len(step.instructions) for step in self.steps) > _MOST_INSTRUCTIONS:
            self.steps = self._steps(_merged(groups, _MOST_INSTRUCTIONS // 2))

    @property
    def has_files_only(self) -> bool:
        """Whether all resources are files, directories and links, not out of other images."""
        return bool(self.steps) and all(
            isinstance(resource, resources.Link)
            or (isinstance(resource, _copied.Copied) and resource.from_image is None)
            for resource in self._bundle
        )

    def _steps(self, groups: list[_Group]) -> list[Step]:
        self.files = {}
        self._directories = {'/'}
        steps = []
        for group in groups:
            steps += self._copy(group) if group.copy else self._run(group)
        return steps

    def _groups(self) -> list[_Group]:
        groups: list[_Group] = []
        everything = list(self._bundle)
        position = {resource.typed_id: index for index, resource in enumerate(everything)}
        index = 0
        while index < len(everything):
            end = self._watched_end(everything, position, index)
            if end > index:
                parts = [_Part(resource) for resource in everything[index : end + 1]]
                groups.append(_Group(parts, None, watched_together=True))
                index = end + 1
                continue
            for group in self._own_groups(everything[index]):
                if groups and group.key is not None and groups[-1].key == group.key:
                    groups[-1].parts += group.parts
                else:
                    groups.append(group)
            index += 1
        return groups

    def _watched_end(
        self, everything: list[resources.Resource], position: Mapping[str, int], start: int
    ) -> int:
        """Return the last resource that must share a step with the one at `start`."""
        end = start
        for index in range(start + 1, len(everything)):
            watched = [position[other.typed_id] for other in self.watched(everything[index])]
            if any(start <= place <= end for place in watched):
                end = index
        return end

    def watched(self, resource: resources.Resource) -> list[resources.Resource]:
        """Return the resources that decide whether `resource` is applied; [] if it always is."""
        watched = [self._bundle.named(other) for other in resource.watches]
        present = [other for other in watched if other is not None]
        return [] if any(other.always_changes for other in present) else present

    def _own_groups(self, resource: resources.Resource) -> Iterator[_Group]:
        part = [_Part(resource)]
        if isinstance(resource, _copied.Copied) and resource.always_changes:
            parent = resource.name.rpartition('/')[0]
            chown = self._chowns[resource.typed_id]
            alone = isinstance(resource, resources.Directory) or resource.from_image is not None
            yield _Group(part, None if alone else ('copy', parent, chown), copy=True)
            if resource.finish(self.primary_groups, chown is None):
                yield _Group([_Part(resource, finish=True)], 'quick')
        elif isinstance(resource, resources.Execute):
            yield _Group(part, None)
        elif isinstance(resource, resources.Package):
            yield _Group(part, resource.together)
        else:
            yield _Group(part, 'quick')

    def _chown_flags(self) -> dict[str, str | None]:
        """Return the flag of COPY for each file; None if a script must set the owner.

        BuildKit treats an unknown name as root, so COPY gets only IDs, and names that the bundle
        has created before.
        """
        created = {'0', 'root'}
        flags: dict[str, str | None] = {}
        for resource in self._bundle:
            if isinstance(resource, (resources.User, resources.Group)):
                names = {resource.name, *_first_group(resource)}
                created = created - names if resource.removes else created | names
            elif isinstance(resource, _copied.Copied):
                owner, group = _ownership.resolve(
                    resource.owner, resource.group, self.primary_groups
                )
                sure = [
                    account is not None and (account in created or account.isdigit())
                    for account in (owner, group)
                ]
                ids = ['0' if account == 'root' else account for account in (owner, group)]
                flag = '' if ids == ['0', '0'] else f'--chown={ids[0]}:{ids[1]} '
                flags[resource.typed_id] = flag if all(sure) else None
        return flags

    # copy a directory, not the file, which would go into an existing directory of its name
    def _copy(self, group: _Group) -> list[Step]:
        parts = [
            part.resource for part in group.parts if isinstance(part.resource, _copied.Copied)
        ]
        first = parts[0]
        parent = first.name.rpartition('/')[0] + '/'
        chown = self._chowns[first.typed_id] or ''
        instructions = []
        if chown and parent not in self._directories:
            # create it as root; COPY --chown would give it to the file's owner
            self.files['files/none'] = (None, 0o755)
            instructions.append(dockerfile.copy('files/none', parent))
        above = parent.split('/')
        self._directories.update('/'.join(above[:depth]) + '/' for depth in range(1, len(above)))
        if first.from_image is not None:
            instructions.append(_copy_from(first.from_image, first, chown))
        else:
            source = f'files/{_key(first)}'
            self.files[source] = (None, 0o755)
            for part in parts:
                self._add(source, part.entries)
            instructions.append(dockerfile.copy(source, parent, chown))
        return [Step(tuple(parts), tuple(instructions))]

    def _add(self, directory: str, entries: Iterable[_tree.Entry]) -> None:
        """Add entries below `directory` to the files that are copied."""
        for path, content, mode in entries:
            self.files[f'{directory}/{path}'.rstrip('/')] = (content, mode & 0o1777)

    def _run(self, group: _Group) -> list[Step]:
        directory = f'stage/{_key(group.parts[0].resource)}'
        staged: list[_scripts.Staged] = []

        def stage(content: _scripts.Staged) -> str:
            staged.append(content)
            return f'{_scripts.STAGE}/{len(staged)}'

        lines = self._script(group, stage)
        instructions = []
        if staged:
            if any(not isinstance(content, _scripts.FromImage) for content in staged):
                instructions.append(dockerfile.copy(directory, _scripts.STAGE + '/'))
            for number, content in enumerate(staged, 1):
                if isinstance(content, _scripts.FromImage):
                    path = f'{_scripts.STAGE}/{number}'
                    instructions.append(dockerfile.copy_from(content.image, content.path, path))
            lines.append(f'rm -rf {_scripts.STAGE}')
        size = len('\n'.join(lines).encode())
        if size > _LONGEST_SCRIPT:
            if len(group.parts) > 1 and not group.watched_together:
                half = len(group.parts) // 2
                halves = (_Group(group.parts[:half], None), _Group(group.parts[half:], None))
                return [step for part in halves for step in self._run(part)]
            first = group.parts[0].resource
            raise _errors.ResourceError(
                f'{_progress.shorten(repr(first))} needs a script of {size} bytes, above the '
                f'limit of {_LONGEST_SCRIPT}',
                'put large content into a File',
                line=first.location,
            )
        if staged:
            self.files[directory] = (None, 0o700)
        for number, content in enumerate(staged, 1):
            if isinstance(content, list):
                self._add(f'{directory}/{number}', content)
            elif not isinstance(content, _scripts.FromImage):
                self.files[f'{directory}/{number}'] = (content, 0o600)
        secrets: dict[str, str] = {}
        for part in group.parts:
            if isinstance(part.resource, resources.Execute):
                self._add_secrets(part.resource, secrets)
        instructions.append(dockerfile.run(lines, secrets))
        return [Step(tuple(part.resource for part in group.parts), tuple(instructions))]

    def _add_secrets(self, execute: resources.Execute, step: dict[str, str]) -> None:
        for name, path in execute.secrets.items():
            step[name] = path
            if self.secrets.setdefault(name, path) != path:
                raise _errors.ResourceError(
                    f'{_progress.shorten(repr(execute))}: the secret {name} is also a different '
                    'file',
                    line=execute.location,
                )

    def _script(self, group: _Group, stage: Callable[[_scripts.Staged], str]) -> list[str]:
        changed_flags: dict[str, str] = {}
        if group.watched_together:
            for part in group.parts:
                for watched in self.watched(part.resource):
                    changed_flags.setdefault(watched.typed_id, f'_news{len(changed_flags) + 1}')
        functions: dict[str, list[str]] = {}
        lines = [f'{name}=' for name in changed_flags.values()]
        bodies = list(self._bodies(group, stage, changed_flags, functions))
        for title, watched_by, body in bodies:
            if len(bodies) > 1:
                lines.append(_shell.say(f'=> {title}'))
            if watched_by:
                condition = ''.join(f'${changed_flags[other.typed_id]}' for other in watched_by)
                body = [f'if [ -n "{condition}" ]; then', *(f'    {line}' for line in body), 'fi']
            lines += body
        hide = [f'unset {name}' for name in self._arguments]
        return [*hide, 'umask 0022', *itertools.chain(*functions.values()), *lines]

    def _bodies(
        self,
        group: _Group,
        stage: Callable[[_scripts.Staged], str],
        changed_flags: Mapping[str, str],
        functions: dict[str, list[str]],
    ) -> Iterator[tuple[str, list[resources.Resource], list[str]]]:
        def kind(part: _Part) -> object:
            package = part.resource
            if not isinstance(package, resources.Package):
                return part
            is_alone = package.watches or package.typed_id in changed_flags
            return part if is_alone else package.together

        for _, run in itertools.groupby(group.parts, kind):
            parts = list(run)
            packages = [
                part.resource for part in parts if isinstance(part.resource, resources.Package)
            ]
            if len(packages) > 1:
                yield ', '.join(map(repr, packages)), [], _package_managers.script(packages)
                continue
            for part in parts:
                resource = part.resource
                if part.finish and isinstance(resource, _copied.Copied):
                    chown = self._chowns[resource.typed_id] is None
                    yield repr(resource), [], resource.finish(self.primary_groups, chown)
                    continue
                own_flag = changed_flags.get(resource.typed_id, '')
                script = _scripts.Script(self.primary_groups, stage, own_flag)
                script.apply(resource)
                functions.update(script.functions)
                yield repr(resource), self.watched(resource), script.lines

    def instructions(self, settings: dockerfile.Settings) -> list[tuple[Step | None, str]]:
        """Return all instructions, each with its step."""
        steps = [(step, instruction) for step in self.steps for instruction in step.instructions]
        return [
            *((None, instruction) for instruction in dockerfile.before(settings, bool(steps))),
            *steps,
            *((None, instruction) for instruction in dockerfile.after(settings, bool(steps))),
        ]

    def dockerfile(self, settings: dockerfile.Settings) -> str:
        """Return the Dockerfile."""
        lines = ['# Made by charm_image from resources in Python.']
        if settings.arguments:
            lines.append(
                f"# Build it with: docker build --build-arg {dockerfile.NEWLINE}=$'\\n' ."
            )
        for name in self.secrets:
            lines.append(f'# It needs buildx, with: --secret id={name},src=FILE')
        last: object = ''
        for step, instruction in self.instructions(settings):
            if step is not last:
                lines += ['', *([f'# {_progress.shorten(step.title)}'] if step else [])]
                last = step
            lines.append(instruction)
        return '\n'.join(lines) + '\n'


def _copy_from(image: str, resource: _copied.Copied, chown: str) -> str:
    if isinstance(resource, resources.Directory):
        return dockerfile.copy_from(image, f'{resource.source}/', f'{resource.name}/', chown)
    return dockerfile.copy_from(image, resource.source or '', resource.name, chown)


def _first_group(resource: resources.User | resources.Group) -> set[str]:
    return {resource.first_group} if isinstance(resource, resources.User) else set()


def _merged(groups: list[_Group], most: int) -> list[_Group]:
    """Merge groups into `most` steps, each a script."""
    size = -(-len(groups) // most)
    merged = []
    for start in range(0, len(groups), size):
        chunk = groups[start : start + size]
        if len(chunk) == 1:
            merged.append(chunk[0])
            continue
        # a file that a script copies needs no finish
        parts = [part for group in chunk for part in group.parts]
        placed = {id(part.resource) for part in parts if not part.finish}
        parts = [part for part in parts if not part.finish or id(part.resource) not in placed]
        merged.append(
            _Group(parts, None, watched_together=any(group.watched_together for group in chunk))
        )
    return merged


def _key(resource: resources.Resource) -> str:
    """Return a name for the context that does not depend on other resources."""
    digest = hashlib.sha256(resource.typed_id.encode()).hexdigest()[:12]
    readable = re.sub(r'[^A-Za-z0-9]+', '-', resource.id)[-40:].strip('-').lower()
    return f'{digest}-{readable}' if readable else digest
