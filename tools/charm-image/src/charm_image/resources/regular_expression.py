"""Translates Python's regular expressions to POSIX extended ones.

Both match the same lines; the part of a line that matches may differ. The result is for awk in the
C locale (POSIX.1-2017, 9.4), without intervals, which mawk does not support.
"""

from __future__ import annotations

import importlib
import itertools
import re
import sys
from collections.abc import Iterable
from typing import Any

_parser: Any = importlib.import_module(
    're._parser' if sys.version_info >= (3, 11) else 'sre_parse'
)

_ASCII = frozenset(map(chr, range(1, 128))) - {'\n'}
_CATEGORIES = {
    'CATEGORY_DIGIT': frozenset('0123456789'),
    'CATEGORY_SPACE': frozenset(' \t\r\f\v'),
    'CATEGORY_WORD': frozenset(c for c in _ASCII if c.isalnum() or c == '_'),
}
_REFUSED = {
    'ASSERT': 'lookahead and lookbehind',
    'ASSERT_NOT': 'lookahead and lookbehind',
    'AT_BOUNDARY': r'\b',
    'AT_NON_BOUNDARY': r'\B',
    'ATOMIC_GROUP': 'an atomic group',
    'GROUPREF': 'a backreference',
    'GROUPREF_EXISTS': 'a backreference',
    'GROUPREF_IGNORE': 'a backreference',
    'POSSESSIVE_REPEAT': 'a possessive repetition',
}
_LONGEST = 10_000


def posix(pattern: str) -> str:
    """Return `pattern` as a POSIX extended regular expression that matches the same lines.

    Raises:
        ValueError: it is not valid, or has no equivalent in POSIX
    """
    try:
        parsed = _parser.parse(pattern)
    except re.error as error:
        raise ValueError(f'not a valid regular expression: {error}') from None
    except RecursionError:
        raise ValueError('nested too deeply') from None
    return _sequence(parsed, parsed.state.flags, 'first last') or '^'


def _sequence(items: Any, flags: int, place: str) -> str:
    written = []
    for index, (op, argument) in enumerate(items):
        here = ' '.join(
            end
            for end, at in (('first', 0), ('last', len(items) - 1))
            if end in place and index == at
        )
        written.append(_item(str(op), argument, flags, here))
    joined = ''.join(written)
    if len(joined) > _LONGEST:
        raise ValueError('too long when its repetitions are written out')
    return joined


def _item(op: str, argument: Any, flags: int, place: str) -> str:
    if op == 'LITERAL':
        return _class({chr(argument)}, False, flags)
    if op == 'NOT_LITERAL':
        return _class({chr(argument)}, True, flags)
    if op == 'ANY':
        return '.'
    if op == 'IN':
        return _in(argument, flags)
    if op == 'AT':
        return _anchor(str(argument), place)
    if op == 'BRANCH':
        return _branch([_sequence(each, flags, place) for each in argument[1]])
    if op == 'SUBPATTERN':
        _, added, removed, items = argument
        return _branch([_sequence(items, (flags | added) & ~removed, place)])
    if op in ('MAX_REPEAT', 'MIN_REPEAT'):
        least, most, items = argument
        return _repeat(_sequence(items, flags, ''), least, most)
    raise ValueError(f'POSIX has no equivalent of {_REFUSED.get(op, op)}')


def _anchor(name: str, place: str) -> str:
    if name in ('AT_BEGINNING', 'AT_BEGINNING_STRING'):
        sign, needed = '^', 'first'
    elif name in ('AT_END', 'AT_END_STRING'):
        sign, needed = '$', 'last'
    else:
        raise ValueError(f'POSIX has no equivalent of {_REFUSED.get(name, name)}')
    if needed not in place:
        raise ValueError(f'{sign} must come {needed} in it or in an alternative')
    return sign


def _branch(alternatives: list[str]) -> str:
    wanted = [each for each in alternatives if each]
    if not wanted:
        return ''
    # POSIX does not define an empty alternative
    return f'({"|".join(wanted)})' + ('?' if len(wanted) < len(alternatives) else '')


def _repeat(item: str, least: int, most: Any) -> str:
    if not item:
        return ''
    item = f'({item})'
    endless = most is _parser.MAXREPEAT
    if len(item) * (least if endless else int(most)) > _LONGEST:
        raise ValueError('too long when its repetitions are written out')
    if endless:
        return item * (least - 1) + f'{item}+' if least else f'{item}*'
    optional = ''
    for _ in range(int(most) - least):
        optional = f'({item}{optional})?'
    return item * least + optional


def _in(items: Any, flags: int) -> str:
    members: set[str] = set()
    rest = False  # whether everything outside ASCII belongs to it
    negated = False
    for op, argument in items:
        kind = str(op)
        if kind == 'NEGATE':
            negated = True
        elif kind == 'LITERAL':
            members.add(chr(argument))
        elif kind == 'RANGE':
            low, high = argument
            if max(high, 127) - max(low, 127) > 500:
                raise ValueError('a range outside ASCII is too large')
            members.update(map(chr, range(low, high + 1)))
        elif kind == 'CATEGORY':
            name = str(argument).replace('_NOT_', '_')
            plain = _CATEGORIES[name]
            if name == str(argument):
                members |= plain
            else:
                members |= _ASCII - plain
                rest = True
    if rest:
        members = {each for each in members if each < '\x80'}
        return _class(_ASCII - members, not negated, flags, exact=True)
    return _class(members, negated, flags)


def _class(members: Iterable[str], negated: bool, flags: int, exact: bool = False) -> str:
    if flags & re.IGNORECASE and not exact:
        members = {
            each for one in members for each in (one, one.lower(), one.upper()) if len(each) == 1
        }
    plain = {each for each in members if each in _ASCII}
    beyond = sorted(each for each in members if each >= '\x80')
    if negated:
        if beyond:
            raise ValueError('characters in [^...] must be ASCII')
        return f'[^{_bracket(plain)}]' if plain else '.'
    written = (
        [_literal(min(plain)) if len(plain) == 1 else f'[{_bracket(plain)}]'] if plain else []
    )
    written += beyond
    if not written:
        raise ValueError('a part of it cannot match anything in a line')
    return written[0] if len(written) == 1 and len(written[0].encode()) < 2 else _group(written)


def _group(alternatives: list[str]) -> str:
    if len(alternatives) == 1 and alternatives[0] < '\x80':
        return alternatives[0]
    return f'({"|".join(alternatives)})'


def _literal(character: str) -> str:
    if character in '^\\':
        return '\\' + character
    return f'[{character}]' if character in '.[]$*+?(){}|/' else character


def _bracket(members: set[str]) -> str:
    """Return the inside of a bracket expression: awks read a backslash there differently."""
    special = {each for each in ']\\^-' if each in members}
    codes = sorted(map(ord, members - special))
    ranges = []
    for _, run in itertools.groupby(enumerate(codes), lambda pair: pair[1] - pair[0]):
        run_codes = [code for _, code in run]
        first, last = chr(run_codes[0]), chr(run_codes[-1])
        ranges.append(first if first == last else f'{first}-{last}')
    inner = ''.join(ranges)
    if '\\' in special:
        inner += '\\\\'
    if '^' in special:
        inner = f'{inner}^' if inner or ']' in special else '^'
    return (']' if ']' in special else '') + inner + ('-' if '-' in special else '')
