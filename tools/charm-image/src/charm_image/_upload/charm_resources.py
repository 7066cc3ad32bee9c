"""Reads the resources that a charm declares, from its directory, metadata.yaml or built file."""

from __future__ import annotations

import dataclasses
import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any, Literal

import yaml

from charm_image import _errors, _texts
from container_image import bounded_yaml, messages
from container_image import reference as references

_FILES = ('metadata.yaml', 'charmcraft.yaml')
_MAX_SIZE = 1 << 20


@dataclasses.dataclass(frozen=True)
class Declared:
    """A resource in metadata.yaml: its `type` is `file` or `oci-image`.

    `error` says why its upstream-source is not valid; `upstream_source` is None then.
    """

    name: str
    type: Literal['file', 'oci-image']
    upstream_source: references.Reference | None = None
    error: str = ''


@dataclasses.dataclass(frozen=True)
class Charm:
    """A charm's name, and its resources in the order in which it declares them."""

    name: str
    resources: Mapping[str, Declared]


def read(path: str) -> Charm:
    """Read the charm at `path`: a directory, a metadata.yaml or charmcraft.yaml, or a built charm.

    Raises:
        CharmError: it is not a charm, or its metadata cannot be read.
    """
    place = pathlib.Path(path)
    documents = dict(_documents(place))
    # the name may be in one file and the resources in the other
    name = next((d['name'] for d in documents.values() if d.get('name')), None)
    declared: Any = next((d['resources'] for d in documents.values() if d.get('resources')), {})
    if not isinstance(name, str):
        files = ' or '.join(documents) or 'metadata.yaml'
        raise _errors.CharmError(f'{path!r}: the name of the charm is missing in {files}')
    if not isinstance(declared, dict):
        raise _errors.CharmError(f'{path!r}: resources is not a mapping')
    resources = {_name(key): _declared(_name(key), value) for key, value in declared.items()}
    return Charm(name, resources)


def _name(key: object) -> str:
    # a number is what Juju takes it for
    return key if isinstance(key, str) else messages.printable(key)


def _documents(place: pathlib.Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        if place.is_dir():
            paths = [place / file for file in _FILES if (place / file).is_file()]
            texts = [(file.name, _head(file)) for file in paths]
        elif not place.is_file():  # reading a pipe would block
            raise ValueError('it is not an existing file or directory')
        elif zipfile.is_zipfile(place):
            texts = _in_zip(place)
        else:
            texts = [(place.name, _head(place))]
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise _errors.CharmError(f'{str(place)!r} cannot be read: {reason}') from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise _errors.CharmError(f'{str(place)!r} is a damaged archive: {error}') from None
    if not texts:
        raise _errors.CharmError(f'{str(place)!r} is not a charm: it has no metadata.yaml')
    return [(name, _parse(str(place), name, text)) for name, text in texts]


def _head(file: pathlib.Path) -> bytes:
    with file.open('rb') as opened:
        return opened.read(_MAX_SIZE + 1)


def _in_zip(place: pathlib.Path) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(place) as archive:
        texts = []
        for name in _FILES:
            if name in archive.namelist():
                with archive.open(name) as member:
                    texts.append((name, member.read(_MAX_SIZE + 1)))
        return texts


def _parse(place: str, name: str, text: bytes) -> dict[str, Any]:
    if len(text) > _MAX_SIZE:
        raise _errors.CharmError(f'{place!r}: {name} is larger than {_MAX_SIZE >> 20} MiB')
    try:
        root = bounded_yaml.compose(text)
        content = root and yaml.constructor.SafeConstructor().construct_document(root)
    except bounded_yaml.TooLargeError:
        raise _errors.CharmError(
            f'{place!r}: {name} is too large or too deeply nested, its YAML aliases followed'
        ) from None
    except bounded_yaml.RecursiveAliasError:
        raise _errors.CharmError(f'{place!r}: {name} has a recursive YAML alias') from None
    except Exception as error:
        # PyYAML lets some of Python's own errors through, for impossible escapes for one
        line = getattr(getattr(error, 'problem_mark', None), 'line', None)
        where = '' if line is None else f' (line {line + 1})'
        raise _errors.CharmError(f'{place!r}: {name} is not valid YAML{where}') from None
    if not isinstance(content, dict):
        raise _errors.CharmError(f'{place!r}: {name} is not a mapping')
    return content


def _declared(name: str, entry: Any) -> Declared:
    shown = _texts.quoted(name)
    if not isinstance(entry, dict):
        raise _errors.CharmError(f'the resource {shown} is not a mapping')
    kind = entry.get('type', 'file')  # the default of Juju
    if kind == 'docker':  # Juju's first name for it
        kind = 'oci-image'
    if kind not in ('file', 'oci-image'):
        raise _errors.CharmError(
            f'the resource {shown} is of type {messages.printable(kind)!r}',
            'use file or oci-image',
        )
    upstream = entry.get('upstream-source')
    if kind != 'oci-image' or not upstream:
        return Declared(name, kind)
    try:
        if not isinstance(upstream, str):
            raise references.InvalidReferenceError('it is not a string')
        text = upstream.removeprefix('docker://')
        return Declared(name, kind, references.Reference.parse(text))
    except references.InvalidReferenceError as error:
        # the other resources can be uploaded, and this one from somewhere else
        reason = f'the upstream-source of {shown} is not a valid image reference: {error}'
        return Declared(name, kind, error=reason)
