"""Text from outside, made fit for a message: a status, a log, a terminal."""

import datetime

MAX_CHARACTERS = 400  # the longest image reference has 391

_SCALARS = (str, int, float, datetime.date, type(None))


def printable(value: object, limit: int = MAX_CHARACTERS) -> str:
    """Return `value` as one line of printable text, at most `limit` characters long.

    Characters that a terminal might obey are escaped as in `repr`, line breaks and surrogates
    among them; an ellipsis stands for the rest of a longer text. Of a list, a mapping or a huge
    integer, only the type is named: with YAML aliases, a few bytes stand for gigabytes of text.
    """
    # Python does not turn an integer of thousands of digits to text
    is_huge = isinstance(value, int) and value.bit_length() > 4 * limit
    if is_huge or not isinstance(value, _SCALARS):
        return f'<{type(value).__name__}>'
    text = str(value)[: limit + 1]
    shown = text if text.isprintable() else ''.join(map(_escaped, text))
    return shown if len(shown) <= limit else shown[: limit - 1] + '…'


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode('unicode_escape').decode('ascii')
