"""The commands on terminals of all kinds, and none."""

import pathlib
import sys

import pytest

from charm_image import _errors
from charm_image._upload import charm_resources
from support.uploads import PROGRAM, in_terminal

pytestmark = [pytest.mark.holds('uploads'), pytest.mark.slow]

ALL = pathlib.Path(sys.executable).with_name('charm-upload-resources')
LOCAL = ('--image', 'local=local.tar', '--filepath', 'data=data.txt')


@pytest.mark.parametrize('width', [60, 80, 120])
def test_the_table_of_resources_fits_the_terminal(width, environment, charm, tagged, tmp_path):
    environment = {**environment, 'COLUMNS': str(width), 'TERM': 'dumb'}
    status, shown = in_terminal([ALL, 'charm', *LOCAL], environment, tmp_path)
    assert status == 0, shown
    lines = shown.replace('\r\n', '\n').split('\n')
    table = lines[next(n for n, line in enumerate(lines) if line.startswith('Resource ')) :]
    table = table[: table.index('')]
    assert len(table) >= 5
    assert max(map(len, table)) <= width
    digest = tagged['app'][1]
    assert (digest in '\n'.join(table)) == (width == 120)
    assert digest[:19] in '\n'.join(table)


def test_the_table_of_resources_is_whole_in_a_pipe(upload_all, charm, tagged):
    done = upload_all('charm', *LOCAL, COLUMNS='40')
    head, *rows = done.stdout.splitlines()[:5]
    assert head.split() == ['Resource', 'Digest', 'Architectures', 'Revision']
    assert tagged['app'][1] in rows[0]
    assert len(rows) == 4


KINDS = [
    {'LANG': 'C', 'PYTHONIOENCODING': 'ascii', 'NO_COLOR': '1'},
    {'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0', 'TERM': 'dumb'},
    {'PYTHONIOENCODING': 'latin-1', 'TERM': '', 'COLUMNS': '', 'LINES': 'x'},
    {'COLUMNS': '1', 'FORCE_COLOR': '1'},
]
CALLS = [
    (0, PROGRAM, '--help'),
    (0, PROGRAM, 'my-charm', 'my-file', '--filepath=é…'),
    (1, PROGRAM, 'my-charm', 'my-file', '--filepath=absent-é', '--quiet'),
    (0, PROGRAM, 'my-charm', 'my-file', '--filepath=é…', '--format=json'),
    (1, PROGRAM, 'my-charm', 'my-image', '--image=é…'),
    (0, ALL, '--help'),
    (0, ALL, 'charm', *LOCAL),
    (0, ALL, 'charm', *LOCAL, '--dry-run', '--quiet'),
    (0, ALL, 'charm', *LOCAL, '--format=json'),
    (1, ALL, 'absent-é'),
]


@pytest.mark.parametrize('settings', KINDS)
def test_a_command_does_not_fail_in_any_terminal_and_locale(
    settings, environment, charm, tmp_path
):
    (tmp_path / 'é…').write_text('content')
    for status, *call in CALLS:
        ended, shown = in_terminal(call, {**environment, **settings}, tmp_path)
        assert 'Traceback' not in shown
        assert ended == status, shown


def bomb(where):
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    lines += [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 10)}]' for n in range(1, 9)]
    merged = ['m0: &m0 {k: v}']
    merged += [f'm{n}: &m{n} {{<<: [{", ".join([f"*m{n - 1}"] * 10)}]}}' for n in range(1, 9)]
    return '\n'.join([*lines, *merged, where.format('*a8', '*m8')])


@pytest.mark.parametrize(
    'where',
    [
        'name: x\nresources: {{app: {{type: {0}}}}}',
        'name: x\nresources: {{app: {{type: oci-image, upstream-source: {0}}}}}',
        'name: {0}',
        'name: x\nresources: {0}',
        'name: x\nresources: {{app: {0}}}',
        'name: x\nresources: {{app: {1}}}',
        'name: x\nresources: {{? {0}\n: y}}',
        'name: x',
    ],
)
def test_an_alias_bomb_in_a_charm_ends_at_once(where, tmp_path):
    """Each would otherwise take minutes, and all of the memory."""
    (tmp_path / 'metadata.yaml').write_text(bomb(where))
    with pytest.raises(_errors.CharmError, match='metadata.yaml is too large or too deeply nest'):
        charm_resources.read(str(tmp_path))


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('name: &a [*a]', 'has a recursive YAML alias'),
        ('name: x\nresources: {app: {type: [file]}}', "'app' is of type '<list>'"),
        ('name: x\nresources: {app: {type: 0x' + 'f' * 9_000 + '}}', "is of type '<int>'"),
        ('name: "\\x', 'is not valid YAML'),
        ('name: !!timestamp 9', 'is not valid YAML'),
    ],
)
def test_the_metadata_of_a_charm_that_is_odd_is_named(text, reason, tmp_path):
    (tmp_path / 'metadata.yaml').write_text(text)
    with pytest.raises(_errors.CharmError, match=reason):
        charm_resources.read(str(tmp_path))


def test_an_upstream_source_that_is_not_a_string_fails_alone(tmp_path):
    (tmp_path / 'metadata.yaml').write_text(
        'name: x\nresources: {0xff: {type: oci-image, upstream-source: [a]}, data: {type: file}}'
    )
    declared = charm_resources.read(str(tmp_path)).resources
    assert 'not a valid image reference: it is not a string' in declared['255'].error
    assert declared['data'].error == ''
