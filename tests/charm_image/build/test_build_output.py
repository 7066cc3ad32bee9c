"""The output of commands in a build, in pieces of any size, as lines."""

import random

import pytest

from charm_image._build import builder_reports

INSTRUCTIONS = ['FROM base', 'RUN ["/bin/sh"]']


def buildkit(pieces):
    reader = builder_reports.BuildKit(INSTRUCTIONS)
    yield from reader.follow(
        builder_reports.trace.Vertex('v', '[2/2] RUN', False, True, False, '')
    )
    for piece in pieces:
        yield from reader.follow(builder_reports.trace.Log('v', piece.encode()))
    yield from reader.follow(builder_reports.trace.Vertex('v', '[2/2] RUN', False, True, True, ''))


def classic(pieces):
    reader = builder_reports.Classic()
    for piece in ('Step 1/2 : FROM base', '\n', 'Step 2/2 : RUN x', '\n', ' ---> Running in 0\n'):
        yield from reader.read({'stream': piece})
    for piece in pieces:
        yield from reader.read({'stream': piece})
    yield from reader.read({'aux': {'ID': 'sha256:0'}})


@pytest.fixture(params=[buildkit, classic])
def output(request):
    """Return the lines of output in the reports of a builder, whose command writes some pieces."""
    return lambda pieces: [event.text for event in request.param(pieces) if event.kind == 'output']


@pytest.mark.parametrize(
    ('pieces', 'lines'),
    [
        (['a\nb\n'], ['a', 'b']),
        (['a', 'b', '\n', 'c'], ['ab', 'c']),
        (['a\n\nb\n'], ['a', '', 'b']),
        (['a\r\nb\r\n'], ['a', 'b']),
        (['a\r', '\n', 'b\r', '\nc'], ['a', 'b', 'c']),
        (['1%\r', '2%\r', '3%\r'], ['1%', '2%', '3%']),
        (['1%\r2%\r3%\r', '4%\r5%\ndone\n'], ['3%', '5%', 'done']),
        (['\r1%', '\r2%', '\r', '\n'], ['1%', '2%']),
        (['1%\r', '\n', '\n', 'a'], ['1%', '', 'a']),
        (['\x1b[2K1%\r', '\x1b[31', 'mred\x1b[0m\n', '\x1b[K\r'], ['1%', 'red']),
        (['a\tb\n'], ['a       b']),
        (['\x1b[91mred\n\x1b[0m'], ['red']),
    ],
)
def test_output_is_shown_line_by_line_and_a_progress_bar_as_it_comes(output, pieces, lines):
    assert output(pieces) == lines


def test_output_is_the_same_lines_however_it_is_cut(output):
    chosen = random.Random(3)
    text = 'one\ntwo\n\nthree\r\nfour'
    for _ in range(50):
        cuts = sorted(chosen.choices(range(1, len(text)), k=4))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
        assert output([piece for piece in pieces if piece]) == text.splitlines()


def test_output_is_not_what_a_builder_says_itself():
    reader = builder_reports.Classic()
    said = ['STEP 1/2: FROM base\n', 'STEP 2/2: RUN x\n', 'out\n', 'COMMIT\n', '--> 0123456789a\n']
    said += [
        '[Warning] one or more build args were not consumed: [x]\n',
        f'0123456789a{"b" * 53}\n',
    ]
    events = [event for text in said for event in reader.read({'stream': text})]
    assert [event.text for event in events if event.kind == 'output'] == ['out']


def test_output_is_shown_before_the_command_ends():
    events = buildkit(['10%\r', pytest.fail])
    assert [next(events).kind for _ in range(2)] == ['started', 'output']


@pytest.mark.parametrize('piece', ['.', 'progress\r'])
def test_output_costs_the_same_per_piece_however_many_there_are(piece, monkeypatch):
    """Counts the characters that are looked at: of 20 times the pieces, at most 25 times."""
    looked_at = []
    take = builder_reports._Lines._take

    def counted(lines, end):
        looked_at.append(sum(map(len, lines._parts)) + len(end))
        return take(lines, end)

    monkeypatch.setattr(builder_reports._Lines, '_take', counted)
    counts = []
    for number in (4_000, 80_000):
        looked_at.clear()
        for _ in buildkit([piece] * number):
            pass
        counts.append(sum(looked_at))
    assert counts[1] <= 25 * counts[0]


def test_output_without_an_end_is_shown_in_parts():
    shown = [event.text for event in buildkit(['x' * 1000] * 200) if event.kind == 'output']
    assert len(shown) > 1
    assert ''.join(shown) == 'x' * 200_000
