"""Text from outside in messages."""

import datetime

import pytest

from container_image import messages


@pytest.mark.parametrize(
    ('value', 'shown'),
    [
        ('registry.example.com:5000', 'registry.example.com:5000'),
        ('Zürich 東京', 'Zürich 東京'),
        ('\x1b[2J\x1b]0;owned\x07', r'\x1b[2J\x1b]0;owned\x07'),
        ('two\nlines\r\n', r'two\nlines\r\n'),
        ('gnp.exe\u202e', r'gnp.exe\u202e'),
        ('half \ud83d', r'half \ud83d'),
        (None, 'None'),
        (0, '0'),
        (True, 'True'),
        (datetime.date(2020, 1, 1), '2020-01-01'),
        (['a'], '<list>'),
        ({'a': 1}, '<dict>'),
        (b'a', '<bytes>'),
    ],
)
def test_printable_escapes_what_a_terminal_obeys_and_names_only_the_type_of_what_is_no_scalar(
    value, shown
):
    assert messages.printable(value) == shown


@pytest.mark.parametrize(
    ('text', 'shown'),
    [
        ('x' * 10, 'x' * 10),
        ('x' * 11, 'x' * 9 + '…'),
        ('x' * 9 + '\n', 'x' * 9 + '…'),
        ('\x1b' * 30000, r'\x1b\x1b\x'[:9] + '…'),
    ],
)
def test_printable_ends_what_is_too_long_in_an_ellipsis(text, shown):
    assert messages.printable(text, limit=10) == shown


def test_printable_never_looks_into_an_alias_bomb():
    bomb = ['x']
    for _ in range(50):  # 2**50 strings, were it turned to text
        bomb = [bomb, bomb]
    assert messages.printable(bomb) == '<list>'
    assert messages.printable({'a': bomb}) == '<dict>'


def test_printable_leaves_the_longest_reference_whole():
    longest = 'r' * 255 + ':' + 't' * 128
    assert messages.printable(longest) == longest


def test_a_huge_integer_is_named_by_its_type():
    assert messages.printable(10**5000) == '<int>'
    assert messages.printable(10**20) == '1' + 20 * '0'
