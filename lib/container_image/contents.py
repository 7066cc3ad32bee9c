"""The contents of an image resource: the file that resource-get returns.

Juju 2.5 to 4.0 write YAML with the keys `registrypath`, `username` and `password`. Files may also
have the JSON form of `juju attach-resource`, with the key `ImageName`.
"""

import json
import os
import stat
import typing

import yaml

from container_image import bounded_yaml, reference

_MAX_BYTES = 1024 * 1024  # as Juju 4.0 has it

_YAML = 'tag:yaml.org,2002:'
_NULL = _YAML + 'null'
_STR = _YAML + 'str'
_TYPED = {_YAML + name for name in ('int', 'float', 'bool', 'timestamp', 'value', 'merge')}
_OTHERS = {_YAML + name for name in ('binary', 'seq', 'map', 'omap', 'pairs', 'set')}
_STANDARD = {_NULL, _STR} | _TYPED | _OTHERS


class _NotText:
    """A value that is neither a string nor null."""


_Text = typing.Union[str, None, _NotText]
_Pairs = typing.List[typing.Tuple[str, _Text]]


class _Typed(str):
    """A number, a boolean or a time, as it is written."""


class InvalidContentsError(ValueError):
    """The file does not describe an image. The message says why, and quotes nothing from it."""


class UnreadableFileError(InvalidContentsError):
    """The file can't be read."""


class ImageDetails(
    typing.NamedTuple(
        'ImageDetails', [('registry_path', str), ('username', str), ('password', str)]
    )
):
    """An image reference and the credentials for its registry, '' if there are none."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f'ImageDetails({self.registry_path!r}, {self.username!r}, <hidden>)'


def read(path: str) -> ImageDetails:
    """Return the ImageDetails in the file at `path` (a str); raise InvalidContentsError."""
    data, problem = None, None
    try:
        data = _read_regular_file(path)
    except OSError as error:
        problem = error.strerror
    except ValueError:
        problem = 'its path is invalid'
    if problem:
        raise UnreadableFileError(f'the file from resource-get cannot be read: {problem}')
    if data is None:
        raise UnreadableFileError('the file from resource-get is not a regular file')
    return parse(data)


def parse(data: bytes) -> ImageDetails:
    """Return the ImageDetails in `data` (bytes); raise InvalidContentsError."""
    if len(data) > _MAX_BYTES:
        raise InvalidContentsError(f'the attached file is larger than {_MAX_BYTES // 1024} KiB')
    try:
        text = data.decode('utf-8-sig')
    except UnicodeDecodeError:
        text = None
    # Raised outside of `except`, here and below: the exceptions of decoders quote their input.
    if text is None:
        raise InvalidContentsError('the attached file is not UTF-8 text')
    if not text.strip():
        raise InvalidContentsError('the attached file is empty')
    pairs = _json_pairs(text)
    if pairs is None:
        pairs = _yaml_pairs(text)
    return _details(pairs)


def _read_regular_file(path: str) -> typing.Optional[bytes]:
    """Return the first bytes of the file at `path`, None if it is not a regular file."""
    # Without O_NONBLOCK, a FIFO would be waited for.
    flags = os.O_NONBLOCK | os.O_NOCTTY
    with open(path, 'rb', opener=lambda path, mode: os.open(path, mode | flags)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        return file.read(_MAX_BYTES + 1)


def _details(pairs: _Pairs) -> ImageDetails:
    """Return the ImageDetails in `pairs` of a key and a value."""
    is_yaml = any(key == 'registrypath' for key, _ in pairs)
    path_key = 'registrypath' if is_yaml else 'ImageName'
    registry_path = _value(pairs, path_key)
    if isinstance(registry_path, _Typed):
        raise InvalidContentsError(f'its {path_key} is not a string: put it in quotes')
    if not registry_path.strip():
        if not any(key.lower() == path_key.lower() for key, _ in pairs):
            path_key = 'registrypath'
        raise InvalidContentsError(f'its {path_key}, the image reference, is missing')
    problem = None
    try:
        reference.Reference.parse(registry_path)
    except reference.InvalidReferenceError as error:
        problem = str(error)
    if problem:
        raise InvalidContentsError(f'its {path_key} is not a valid image reference: {problem}')
    # A password 0123 is meant as it is written, and goes on as a plain str.
    return ImageDetails(
        registry_path, str(_value(pairs, 'username')), str(_value(pairs, 'password'))
    )


def _value(pairs: _Pairs, key: str) -> str:
    """Return the string of `key`, in any case but best in this one; '' if null or missing."""
    values = [value for name, value in pairs if name == key] or [
        value for name, value in pairs if name.lower() == key.lower()
    ]
    if len(values) > 1:
        raise InvalidContentsError(f'its {key} is given twice')
    value = values[0] if values else None
    if isinstance(value, _NotText):
        raise InvalidContentsError(f'its {key} must be a single string, not a list or a mapping')
    if not _is_unicode(value or ''):
        raise InvalidContentsError(f'its {key} is not valid Unicode text')
    return value or ''


def _is_unicode(text: str) -> bool:
    """Return whether `text` has no lone surrogates, which escapes can spell but UTF-8 can't."""
    try:
        text.encode('utf-8')
    except UnicodeEncodeError:
        return False
    return True


def _json_pairs(text: str) -> typing.Optional[_Pairs]:
    """Return the pairs in `text`, or None if it is not JSON: it may be YAML."""
    if not text.lstrip().startswith('{'):
        return None
    try:
        pairs = json.loads(
            text,
            object_pairs_hook=list,
            parse_int=_Typed,
            parse_float=_Typed,
            parse_constant=_Typed,
        )
    except (ValueError, RecursionError):
        return None
    return [(key, _json_text(value)) for key, value in pairs]


def _json_text(value: object) -> _Text:
    if isinstance(value, bool):
        return _Typed('true' if value else 'false')
    return value if value is None or isinstance(value, str) else _NotText()


def _yaml_pairs(text: str) -> _Pairs:
    """Return the pairs in `text`; raise InvalidContentsError if it is not one YAML mapping."""
    root, problem = None, None
    try:
        root = bounded_yaml.compose(text)
        if root is not None and not bounded_yaml.tags(root) <= _STANDARD:
            problem = 'the attached file has a tag that is not standard YAML'
    except yaml.composer.ComposerError as error:
        has = 'more than one YAML document' if error.context else 'an undefined YAML alias'
        problem = f'the attached file has {has}'
    except yaml.MarkedYAMLError as error:
        line = f' (line {error.problem_mark.line + 1})' if error.problem_mark else ''
        problem = f'the attached file is not YAML{line}'
    except bounded_yaml.RecursiveAliasError:
        problem = 'the attached file has a recursive YAML alias'
    except bounded_yaml.TooLargeError:
        problem = 'the attached file is too large or too deeply nested for image details'
    except Exception:
        # PyYAML lets some of Python's own errors through, for impossible escapes for one.
        problem = 'the attached file is not YAML'
    if problem:
        raise InvalidContentsError(problem)
    if root is None:
        raise InvalidContentsError('the attached file is empty')
    if not isinstance(root, yaml.MappingNode):
        raise InvalidContentsError('the attached file is not a mapping with the key registrypath')
    return [
        (key.value, _yaml_text(value))
        for key, value in root.value
        if isinstance(key, yaml.ScalarNode)
    ]


def _yaml_text(node: yaml.Node) -> _Text:
    if node.tag == _NULL:
        return None
    if node.tag in _TYPED:
        return _Typed(node.value)
    return node.value if node.tag == _STR else _NotText()
