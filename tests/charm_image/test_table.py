"""Tables fit a terminal, and are whole for a program."""

import random

import pytest

from charm_image._commands import table

DIGEST = f'sha256:{"29b027d656ac" + 52 * "7"}'
HEAD = ('Resource', 'Digest', 'Architectures', 'Revision')
ROWS = [
    HEAD,
    ('app', DIGEST, 'amd64 arm64 armhf i386 ppc64el riscv64 s390x', '7'),
    ('postgresql-and-its-extensions-image', DIGEST, 'amd64 arm64', 'left out'),
    ('config', '-', '-', '12'),
]


def test_a_table_for_a_program_has_one_line_for_each_row_with_all_of_each_cell():
    lines = table.lines(ROWS)
    assert len(lines) == len(ROWS)
    assert [line.split('  ')[0] for line in lines] == [row[0] for row in ROWS]
    assert all(cell in line for line, row in zip(lines, ROWS, strict=True) for cell in row)


@pytest.mark.parametrize('width', [40, 60, 80, 120, 200])
def test_a_table_fits_the_terminal_and_loses_only_digits_of_digests(width):
    lines = table.lines(ROWS, width)
    assert max(map(len, lines)) <= width
    digest = DIGEST if width == 200 else DIGEST[:19]
    names, digests, architectures, revisions = cells_of(lines)
    assert names.startswith('Resourceapppostgresql-and-its-extensions-imageconfig')
    assert digests == f'Digest{digest}{digest}-'
    assert architectures == 'Architecturesamd64arm64armhfi386ppc64elriscv64s390xamd64arm64-'
    assert revisions == 'Revision7leftout12'


def cells_of(lines):
    """Give what each column has, without spaces; the head's first line has where columns begin."""
    starts = [0, *(lines[0].index(f'  {head}'[:4]) + 2 for head in HEAD[1:])]
    ends = [*starts[1:], None]
    columns = [[line[a:b] for line in lines] for a, b in zip(starts, ends, strict=True)]
    return [''.join(''.join(column).split()) for column in columns]


def test_a_table_at_80_columns_is_this():
    assert table.lines(ROWS, 80) == [
        'Resource                 Digest               Architectures             Revision',
        'app                      sha256:29b027d656ac  amd64 arm64 armhf i386    7',
        '                                              ppc64el riscv64 s390x',
        'postgresql-and-its-      sha256:29b027d656ac  amd64 arm64               left out',
        'extensions-image',
        'config                   -                    -                         12',
    ]


def test_a_table_of_any_names_fits_and_has_all_of_them():
    chosen = random.Random(7)
    for _ in range(100):
        rows = [HEAD] + [
            (
                'n' * chosen.randint(1, 120),
                chosen.choice([DIGEST, '-']),
                ' '.join(chosen.choices(['amd64', 's390x', 'x' * 30], k=chosen.randint(1, 8))),
                str(chosen.randint(1, 10**6)),
            )
            for _ in range(chosen.randint(1, 5))
        ]
        width = chosen.randint(40, 200)
        lines = table.lines(rows, width)
        assert max(map(len, lines)) <= width
        assert cells_of(lines)[0] == ''.join(row[0] for row in rows)
