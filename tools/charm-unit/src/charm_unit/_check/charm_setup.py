"""What a charm is given besides the image that is tested: options, relations, images, files.

They come from the command line, from a YAML file, or from both: the command line overrides the
file. The file:

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

from charm_unit._unit import charm, errors, key_values, resources, runs, unit

_IMAGES = 'registry.example.com/charm-unit'


@dataclasses.dataclass
class Setup:
    """Options, relations, images and files for a charm."""

    config: dict[str, typing.Any] = dataclasses.field(default_factory=dict)
    relations: dict[str, list[dict[str, str]]] = dataclasses.field(default_factory=dict)
    """The relation data of each remote unit, by endpoint."""
    images: dict[str, str] = dataclasses.field(default_factory=dict)
    files: dict[str, pathlib.Path] = dataclasses.field(default_factory=dict)

    def image(self, resource: str) -> str:
        """Return the reference to attach to an image resource first."""
        return self.images.get(resource) or f'{_IMAGES}/{resource.lower()}:1'

    def other_image(self, resource: str, number: int) -> str:
        """Return a different reference for that resource, by a number from 2 on."""
        name = self.image(resource).partition('@')[0]
        path, colon, tag = name.rpartition(':')
        if not colon or '/' in tag:
            path = name
        return f'{path}:charm-unit-{number}'

    def check(self, built: charm.BuiltCharm) -> None:
        """Raise UsageError for a name that the charm does not declare."""
        for kind, given, known in (
            ('option', self.config, built.options),
            ('endpoint', self.relations, built.endpoints),
            ('image resource', self.images, built.image_resources),
            ('file resource', self.files, set(built.resources) - set(built.image_resources)),
        ):
            for name in given:
                if name not in known:
                    raise errors.UsageError(errors.unknown(kind, name, known))

    def apply_to(
        self, subject: unit.Unit, tested: str, before: 'charm.BuiltCharm | None' = None
    ) -> list[runs.Run]:
        """Give a unit everything but the resource `tested`; return the runs that follow.

        After an upgrade from the build `before`, only what that build does not declare.
        """
        now = charm.BuiltCharm(subject.charm)

        def new(name: str, kind: str) -> bool:
            return name in getattr(now, kind) and not (before and name in getattr(before, kind))

        followed = []
        config = {name: value for name, value in self.config.items() if new(name, 'options')}
        if config:
            followed += subject.configure(config)
        for resource in now.image_resources:
            if resource != tested and new(resource, 'resources'):
                followed += subject.attach(resource, self.image(resource))
        for resource, file in self.files.items():
            if new(resource, 'resources'):
                followed += subject.attach(resource, resources.read(file))
        for endpoint, units in self.relations.items():
            for number, data in enumerate(units if new(endpoint, 'endpoints') else ()):
                followed += subject.relate(endpoint, f'remote-{endpoint}/{number}', data)
        return followed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe a setup."""
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


def from_arguments(arguments: argparse.Namespace) -> Setup:
    """Return the setup that the arguments describe; raise UsageError if they are invalid."""
    setup = _read(arguments.given) if arguments.given else Setup()
    setup.config.update(_pairs('--config', arguments.config))
    setup.images.update(_pairs('--image', arguments.image))
    for name, path in _pairs('--file', arguments.file).items():
        setup.files[name] = _existing(pathlib.Path(path))
    related: dict[str, list[dict[str, str]]] = {}
    for text in arguments.relate:
        endpoint, _, data = text.partition(':')
        words = [word for word in data.split(',') if word]
        related.setdefault(endpoint, []).append(_pairs('--relate', words))
    setup.relations.update(related)
    return setup


def _pairs(option: str, words: typing.Iterable[str]) -> dict[str, str]:
    try:
        return key_values.parse(words)
    except key_values.InvalidPairError as error:
        raise errors.UsageError(f'{option}: {error}') from None


def _existing(file: pathlib.Path) -> pathlib.Path:
    """Return the absolute path of a file; raise UsageError if it cannot be read."""
    resources.read(file)
    return file.resolve()


def _read(file: pathlib.Path) -> Setup:
    try:
        content = yaml.safe_load(resources.read(file))
    except (yaml.YAMLError, ValueError) as error:
        raise errors.UsageError(f'{file} is not valid YAML: {error}') from error
    mapping = functools.partial(_mapping, file)
    content = mapping('its content', content)
    for key in content:
        if key not in ('config', 'relate', 'images', 'files'):
            raise errors.UsageError(
                f'{file}: unknown key {key!r}: use config, relate, images or files'
            )
    relations = {}
    for endpoint, data in mapping('relate', content.get('relate')).items():
        units = data if isinstance(data, list) else [data]
        relations[endpoint] = [
            {key: _text(value) for key, value in mapping(f'relate.{endpoint}', one).items()}
            for one in units
        ]
    files = {
        name: _existing(file.parent / str(path))
        for name, path in mapping('files', content.get('files')).items()
    }
    images = {
        name: str(reference)
        for name, reference in mapping('images', content.get('images')).items()
    }
    return Setup(mapping('config', content.get('config')), relations, images, files)


def _mapping(file: pathlib.Path, what: str, value: typing.Any) -> dict[str, typing.Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.UsageError(f'{file}: {what} is not a mapping')
    return {str(key): item for key, item in value.items()}


def _text(value: typing.Any) -> str:
    """Return a YAML scalar as an operator would type it."""
    return str(value).lower() if isinstance(value, bool) else '' if value is None else str(value)
