"""Flags that a charm's handlers wait for and no hook has set, read from its source."""

import ast
import difflib
import itertools
import json
import pathlib
import typing

from charm_unit._unit import charm

_DECORATORS = ('when', 'when_all', 'when_any', 'when_not_all')
_DYNAMIC = ('config.', 'endpoint.', 'leadership.', 'upgrade.', 'hook.')
"""Set by charms.reactive and its layers, if what they are about happens."""
_LAYER = 'layer.docker-resource'
_SIMILAR = 0.75
_MAX_NAMED = 4


def never_set(built: charm.BuiltCharm, was_set: typing.Collection[str]) -> list[str]:
    """Return phrases that name the flags that the charm's own handlers wait for in vain.

    `was_set` has all flags that hooks have set. A flag that is like one of these, or like one of
    layer:docker-resource, is named with it, and comes first.
    """
    awaited = {flag for file in _own_files(built) for flag in _awaited(file)}
    known = set(was_set)
    if _has_layer(built):
        known |= {
            f'{_LAYER}.{name}.{state}'
            for name, state in itertools.product(
                built.image_resources, ('available', 'changed', 'failed', 'fetched')
            )
        }
    similar, others = [], []
    for flag in sorted(awaited - known):
        if flag.startswith(_DYNAMIC) or flag.split('.')[0] in built.endpoints:
            continue
        nearest = difflib.get_close_matches(flag, sorted(known), 1, _SIMILAR)
        if nearest:
            similar.append(f'{flag} (is it {nearest[0]}?)')
        else:
            others.append(flag)
    return [*similar, *others][:_MAX_NAMED]


def has_misspelt(phrases: typing.Iterable[str]) -> bool:
    """Return whether one of the phrases names a flag that is like one that exists."""
    return any(phrase.endswith('?)') for phrase in phrases)


def how_to_fetch(built: charm.BuiltCharm, resource: str) -> str:
    """Return what makes a hook ask for an image, as far as that is known."""
    if not _has_layer(built):
        return ''
    return f'add `auto-fetch: true` to it in metadata.yaml, or call fetch({resource!r})'


def _has_layer(built: charm.BuiltCharm) -> bool:
    return (built.folder / 'lib' / 'charms' / 'layer' / 'docker_resource.py').exists()


def _own_files(built: charm.BuiltCharm) -> list[pathlib.Path]:
    """Return the files with handlers that are the charm's, and no layer's."""
    files = sorted((built.folder / 'reactive').rglob('*.py'))
    try:
        manifest = json.loads((built.folder / '.build.manifest').read_text())
        signatures = manifest['signatures']
        own = manifest['layers'][-1]['url']
        return [
            file for file in files if signatures[str(file.relative_to(built.folder))][0] == own
        ]
    except (OSError, ValueError, LookupError, TypeError):
        return files


def _awaited(file: pathlib.Path) -> typing.Iterator[str]:
    try:
        module = ast.parse(file.read_text())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(module):
        for decorator in getattr(node, 'decorator_list', ()):
            if isinstance(decorator, ast.Call) and _name(decorator.func) in _DECORATORS:
                for argument in decorator.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield argument.value


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ''
