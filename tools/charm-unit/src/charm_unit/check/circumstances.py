"""What a charm is given while it is judged: options, relations, images, files.

They come from the command line, from a YAML file with all of it, or from both: the command line
wins. The file:

    config:
      root-password: secret
    relate:
      mysql: {host: 10.1.0.9, port: 3306}
      redis: [{host: 10.1.0.10}, {host: 10.1.0.11}]
    images:
      my-resource: docker.io/library/nginx:1.27
    files:
      my-file: ./site.tar
"""

import argparse
import dataclasses
import functools
import pathlib
import typing

import yaml

from charm_unit._unit import charm, errors, resources, runs, unit

_IMAGES = 'registry.example.com/charm-unit'


@dataclasses.dataclass
class Circumstances:
    """All of it; raises WrongUse from `check` if the charm cannot be given it."""

    config: dict[str, typing.Any] = dataclasses.field(default_factory=dict)
    relations: dict[str, list[dict[str, str]]] = dataclasses.field(default_factory=dict)
    """What each remote unit says, by endpoint."""
    images: dict[str, str] = dataclasses.field(default_factory=dict)
    files: dict[str, bytes] = dataclasses.field(default_factory=dict)

    def image(self, resource: str) -> str:
        """Return the reference that is attached to an image resource at first."""
        return self.images.get(resource) or f'{_IMAGES}/{resource.lower()}:1'

    def another(self, resource: str, number: int) -> str:
        """Return another reference for that resource, by a number from 2 on."""
        name = self.image(resource).partition('@')[0]
        path, colon, tag = name.rpartition(':')
        if not colon or '/' in tag:
            path = name
        return f'{path}:charm-unit-{number}'

    def check(self, built: charm.BuiltCharm) -> None:
        """Raise WrongUse for what the charm does not have."""
        for kind, given, known in (
            ('option', self.config, built.options),
            ('endpoint', self.relations, built.endpoints),
            ('image resource', self.images, built.image_resources),
            ('file resource', self.files, set(built.resources) - set(built.image_resources)),
        ):
            for name in given:
                if name not in known:
                    raise errors.WrongUse(errors.unknown(kind, name, known))

    def surround(
        self, subject: unit.Unit, judged: str, before: 'charm.BuiltCharm | None' = None
    ) -> list[runs.Run]:
        """Give a unit all but the resource that is judged; return the runs that follow.

        After an upgrade from the build `before`, only what that did not know.
        """
        now = charm.BuiltCharm(subject.charm)

        def new(name: str, kind: str) -> bool:
            return name in getattr(now, kind) and not (before and name in getattr(before, kind))

        done = []
        config = {name: value for name, value in self.config.items() if new(name, 'options')}
        if config:
            done += subject.configure(config)
        for resource in now.image_resources:
            if resource != judged and new(resource, 'resources'):
                done += subject.attach(resource, self.image(resource))
        for resource, content in self.files.items():
            if new(resource, 'resources'):
                done += subject.attach(resource, content)
        for endpoint, units in self.relations.items():
            for number, said in enumerate(units if new(endpoint, 'endpoints') else ()):
                done += subject.relate(endpoint, f'remote-{endpoint}/{number}', said)
        return done


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what describes them to the parser of a command."""
    group = parser.add_argument_group('what to give the charm')
    group.add_argument(
        '--config',
        metavar='KEY=VALUE',
        action='append',
        default=[],
        help='set an option of the charm (repeatable)',
    )
    group.add_argument(
        '--relate',
        metavar='ENDPOINT[:KEY=VALUE,…]',
        action='append',
        default=[],
        help='relate an endpoint to a remote unit with this relation data (repeatable)',
    )
    group.add_argument(
        '--image',
        metavar='NAME=REFERENCE',
        action='append',
        default=[],
        help='the image to attach at first (repeatable; default: a placeholder)',
    )
    group.add_argument(
        '--file',
        metavar='NAME=PATH',
        action='append',
        default=[],
        help='the file to attach to a resource of type file (repeatable; default: none)',
    )
    group.add_argument(
        '--given',
        metavar='FILE',
        type=pathlib.Path,
        help='a YAML file with all of these, below the keys config, relate, images and files',
    )


def given(arguments: argparse.Namespace) -> Circumstances:
    """Return what the arguments and their file say; raise WrongUse."""
    found = _read(arguments.given) if arguments.given else Circumstances()
    found.config.update(_pairs('--config', arguments.config))
    found.images.update(_pairs('--image', arguments.image))
    for name, path in _pairs('--file', arguments.file).items():
        found.files[name] = resources.read(pathlib.Path(path))
    related: dict[str, list[dict[str, str]]] = {}
    for text in arguments.relate:
        endpoint, _, said = text.partition(':')
        words = [word for word in said.split(',') if word]
        related.setdefault(endpoint, []).append(_pairs('--relate', words))
    found.relations.update(related)
    return found


def _pairs(option: str, words: typing.Iterable[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        name, equals, value = word.partition('=')
        if not equals or not name:
            raise errors.WrongUse(f'{option}: {word!r} must be of the form NAME=VALUE')
        pairs[name] = value
    return pairs


def _read(file: pathlib.Path) -> Circumstances:
    try:
        content = yaml.safe_load(resources.read(file))
    except (yaml.YAMLError, ValueError) as error:
        raise errors.WrongUse(f'{file} is not valid YAML: {error}') from error
    mapping = functools.partial(_mapping, file)
    content = mapping('its content', content)
    for key in content:
        if key not in ('config', 'relate', 'images', 'files'):
            raise errors.WrongUse(
                f'{file}: unknown key {key!r}: use config, relate, images or files'
            )
    relations = {}
    for endpoint, said in mapping('relate', content.get('relate')).items():
        units = said if isinstance(said, list) else [said]
        relations[endpoint] = [
            {key: _text(value) for key, value in mapping(f'relate.{endpoint}', one).items()}
            for one in units
        ]
    files = {
        name: resources.read(file.parent / str(path))
        for name, path in mapping('files', content.get('files')).items()
    }
    images = {
        name: str(reference)
        for name, reference in mapping('images', content.get('images')).items()
    }
    return Circumstances(mapping('config', content.get('config')), relations, images, files)


def _mapping(file: pathlib.Path, what: str, value: typing.Any) -> dict[str, typing.Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.WrongUse(f'{file}: {what} is not a mapping')
    return {str(key): item for key, item in value.items()}


def _text(value: typing.Any) -> str:
    """Return a scalar as an operator would type it."""
    return str(value).lower() if isinstance(value, bool) else '' if value is None else str(value)
