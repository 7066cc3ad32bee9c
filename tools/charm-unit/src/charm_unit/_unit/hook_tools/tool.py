"""What every hook tool is made of: arguments, as Go's gnuflag reads them, and output."""

import collections.abc
import dataclasses
import json
import pathlib
import typing

import yaml

from charm_unit._unit import context, key_values, options


class Failed(Exception):
    """The tool failed; with Juju's words. `code` is 2 if it was called wrongly, else 1."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class HelpAsked(Exception):
    """The tool was asked for its usage, which is the message."""


class NeedsInput(Exception):
    """The tool has to be called again with its standard input."""


@dataclasses.dataclass
class Call:
    """A call of a hook tool."""

    tool: str
    folder: str
    """Where it was called."""
    words: list[str]
    stdin: 'bytes | None' = None

    def read(self, name: str) -> str:
        """Return the content of a file argument, `-` for standard input."""
        if name == '-':
            if self.stdin is None:
                raise NeedsInput
            return self.stdin.decode(errors='replace')
        try:
            return pathlib.Path(self.folder, name).read_text(errors='replace')
        except OSError as error:
            raise Failed(f'open {name}: {(error.strerror or str(error)).lower()}') from error


@dataclasses.dataclass
class Answer:
    """What a hook tool answers."""

    stdout: str = ''
    stderr: str = ''
    code: int = 0
    folder: str = ''
    """Where the tool was called, for the files that it writes."""
    script: str = ''
    """A shell script to run instead, with `words` as its arguments."""
    words: tuple[str, ...] = ()


Tool = collections.abc.Callable[[context.HookContext, Call, Answer], None]


def parse(
    call: Call, flags: typing.Collection[str] = (), valued: typing.Collection[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """Return a call's positional words, and its flags and options by their names without hyphens.

    Flags take no value but a boolean (--flag=false: it is not among them), options do. Both may
    stand anywhere. Raises Failed as gnuflag does, and
    HelpAsked for --help and -h.
    """
    positional: list[str] = []
    found: dict[str, str] = {}
    words = iter(call.words)
    for word in words:
        if word == '--':
            positional.extend(words)
        elif not word.startswith('-') or word == '-':
            positional.append(word)
        else:
            long = word.startswith('--')
            name, equals, value = word.lstrip('-').partition('=')
            if not long and not equals and len(name) > 1 and name[0] in valued:
                name, equals, value = name[0], '=', name[1:]
            shown = _shown(name)
            if name in flags:
                found.pop(name, None)
                if not equals or _is_true(name, value):
                    found[name] = 'true'
            elif name in ('h', 'help') and name not in valued:
                raise HelpAsked(_usage(call.tool, flags, valued))
            elif name not in valued:
                raise Failed(f'option provided but not defined: {shown}', 2)
            else:
                found[name] = value if equals else _next(words, shown)
    return positional, found


def _is_true(name: str, value: str) -> bool:
    """Return what strconv.ParseBool makes of the value of a flag."""
    if value not in options.BOOLEANS:
        shown = json.dumps(value)
        raise Failed(
            f'invalid boolean option {name}: strconv.ParseBool: parsing {shown}: invalid syntax', 2
        )
    return options.BOOLEANS[value]


def _shown(name: str) -> str:
    return ('--' if len(name) > 1 else '-') + name


def _usage(tool: str, flags: typing.Collection[str], options: typing.Collection[str]) -> str:
    """Return a usage which names every flag and option: charmhelpers looks for them there."""
    lines = [_shown(name) for name in flags] + [f'{_shown(name)} VALUE' for name in options]
    listed = ''.join(f'    {line}\n' for line in sorted(lines, key=lambda line: line.lstrip('-')))
    return f'Usage: {tool} [options]\n' + (f'\nOptions:\n{listed}' if listed else '')


def _next(words: typing.Iterator[str], shown: str) -> str:
    for word in words:
        return word
    raise Failed(f'option needs an argument: {shown}', 2)


def check_empty(words: typing.Sequence[str]) -> None:
    """Raise Failed if there are words that no tool expects."""
    if words:
        listed = ' '.join(json.dumps(word) for word in words)
        raise Failed(f'unrecognized args: [{listed}]', 2)


def pairs(words: typing.Iterable[str]) -> dict[str, str]:
    """Return the pairs of key=value words; raise Failed."""
    try:
        return key_values.parse(words)
    except key_values.InvalidPairError as error:
        raise Failed(str(error), 2) from None


OUTPUT = ('format', 'o', 'output')
"""The options of every tool that prints a value."""


def output(
    answer: Answer,
    value: typing.Any,
    asked: dict[str, str],
    default: str = 'smart',
    formats: typing.Collection[str] = ('json', 'smart', 'yaml'),
    *,
    in_order: bool = False,
) -> None:
    """Print a value in the format that was asked for, keys sorted unless `in_order`."""
    form = asked.get('format', default)
    if form not in formats:
        raise Failed(f'invalid value {json.dumps(form)} for option --format: unknown format', 2)
    file = asked.get('o') or asked.get('output')
    text = _formatted(_as_go(value), form, not in_order)
    if file:
        try:
            pathlib.Path(answer.folder, file).write_text(text)
        except OSError as error:
            raise Failed(f'open {file}: {str(error.strerror).lower()}') from None
    else:
        answer.stdout += text


def _as_go(value: typing.Any) -> typing.Any:
    """Return a value whose floats are as Go prints them: 5, not 5.0."""
    if isinstance(value, dict):
        return {key: _as_go(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_go(inner) for inner in value]
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e21
    return int(value) if is_whole else value


def _formatted(value: typing.Any, form: str, sort_keys: bool) -> str:
    if form == 'json':
        # What PyYAML takes for a date is a string to Juju.
        text = json.dumps(value, sort_keys=sort_keys, separators=(',', ':'), default=str)
        # As Go writes it.
        for character in '<>&':
            text = text.replace(character, f'\\u{ord(character):04x}')
        return text + '\n'
    if form == 'smart':
        if value is None or value == []:
            return ''
        if isinstance(value, str):
            return f'{value}\n' if value else ''
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return '\n'.join(value) + '\n'
        if isinstance(value, bool):
            return f'{value}\n'
    text = yaml.safe_dump(value, default_flow_style=False, sort_keys=sort_keys)
    return text.removesuffix('...\n')
