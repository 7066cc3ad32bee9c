"""YAML as Juju's decoder reads it: yaml.v2 of juju/yaml, resolve.go.

Dates and sexagesimal numbers are strings, y and n are booleans, 1e3 is a number.
"""

import re
import typing

import yaml

Path = tuple[typing.Any, ...]
"""The keys and indices that lead to a value."""


class Document(typing.NamedTuple):
    """What a file holds, and where."""

    value: typing.Any
    lines: dict[Path, int]
    """The line of each value; that of a mapping's entry is its key's."""

    def line(self, *path: typing.Any) -> int:
        """Return the line of a value, or of the nearest around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Loader(yaml.SafeLoader):
    """A loader with Go's idea of a plain scalar."""


_TAG = 'tag:yaml.org,2002:'
_PLAIN: tuple[tuple[str, str, str], ...] = (
    ('bool', r'y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF',
     'yYtToOnNfF'),
    ('int', r'[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)', '-+0123456789'),
    ('float', r'[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?'
     r'|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)', '-+.0123456789'),
    ('merge', '<<', '<'),
    ('null', '~|null|Null|NULL|', '~nN\0'),
)  # fmt: skip
_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in _PLAIN:
    _Loader.add_implicit_resolver(f'{_TAG}{_kind}', re.compile(f'(?:{_pattern})$'), list(_first))
_Loader.add_implicit_resolver(f'{_TAG}null', re.compile('$'), [''])


def _bool(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    return str(node.value).lower() in ('y', 'yes', 'true', 'on')


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(
        str(node.value).replace('_', '').lower().replace('.inf', 'inf').replace('.nan', 'nan')
    )


_Loader.add_constructor(f'{_TAG}bool', _bool)
_Loader.add_constructor(f'{_TAG}float', _float)


def load(text: str) -> Document:
    """Return the first document in a text; raise YAMLError or ValueError."""
    loader = _Loader(text)
    try:
        node = loader.get_node() if loader.check_node() else None
        if node is None:
            return Document(None, {})
        lines: dict[Path, int] = {(): node.start_mark.line + 1}
        _note_lines(node, (), lines, ())
        return Document(loader.construct_document(node), lines)
    except RecursionError:
        raise ValueError('it is nested too deeply') from None
    finally:
        loader.dispose()


def load_strings(text: str) -> dict[str, str]:
    """Return the scalars in a mapping as they are written, as Go does into map[string]string.

    null is ''. Raises YAMLError, and ValueError in Go's words for a value of another type.
    """
    loader = _Loader(text)
    try:
        node = loader.get_node() if loader.check_node() else None
    finally:
        loader.dispose()
    if node is None or node.tag == f'{_TAG}null':
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise _wrong_type(node, 'map[string]string')
    found = {}
    for pair in node.value:
        for part in pair:
            if not isinstance(part, yaml.ScalarNode):
                raise _wrong_type(part, 'string')
        key, value = pair
        found[key.value] = '' if value.tag == f'{_TAG}null' else str(value.value)
    return found


def _wrong_type(node: yaml.Node, wanted: str) -> ValueError:
    tag = str(node.tag).replace(_TAG, '!!')
    value = f' `{node.value[:7]}...`' if len(str(node.value)) > 10 else f' `{node.value}`'
    shown = f'{tag}{value}' if isinstance(node, yaml.ScalarNode) else tag
    line = node.start_mark.line + 1
    return ValueError(f'unmarshal errors:\n  line {line}: cannot unmarshal {shown} into {wanted}')


def problem(error: Exception) -> tuple[int, str]:
    """Return the line of what load raised, and what is wrong there."""
    mark = getattr(error, 'problem_mark', None)
    text = getattr(error, 'problem', None) or str(error)
    return (mark.line + 1 if mark else 1), ' '.join(str(text).split())


def _note_lines(
    node: yaml.Node, path: Path, lines: dict[Path, int], above: tuple[yaml.Node, ...]
) -> None:
    if any(node is other for other in above):
        raise ValueError('an anchor contains itself')
    above = (*above, node)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                inner = (*path, key.value)
                lines[inner] = key.start_mark.line + 1
                _note_lines(value, inner, lines, above)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            inner = (*path, number)
            lines[inner] = value.start_mark.line + 1
            _note_lines(value, inner, lines, above)
