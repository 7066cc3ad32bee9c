"""How commands show what hooks did, and how far they are."""

import dataclasses
import io
import operator

import pytest
import rich.color
import rich.console

import charm_unit
from charm_unit._commands import console, display

_RUN = charm_unit.Run(
    'install', 'small/0', 0, '', ('', ''), [], [], [], set(), set(), set(), None, {}, 0, 0
)
_LONG = 'registry.example.com/' + 'a' * 200 + ':1'


def shown(runs, width=80, **options):
    file = io.StringIO()
    rich.console.Console(file=file, width=width).print(display.Hooks(runs, **options))
    return file.getvalue().splitlines()


def with_image(hook, path):
    pod_spec = {'containers': [{'name': 'web', 'image': path}]}
    return dataclasses.replace(_RUN, hook=hook, pod_spec=pod_spec)


def test_changes_begin_in_the_same_column_whatever_the_hooks_are():
    first = shown([with_image('start', 'a:1')])
    other = shown([with_image('leader-settings-changed', 'a:1'), _RUN])
    assert [line.index('web: a:1') for line in (first[0], other[0])] == [35, 35]
    assert other[1].index('no changes') == 35


def test_a_long_change_is_folded_below_itself_without_blanks_at_the_ends():
    lines = shown([with_image('start', _LONG)])
    assert len(lines) > 1
    assert all(line == line.rstrip() and len(line) <= 80 for line in lines)
    assert all(line.startswith(' ' * 35) for line in lines[1:])
    assert ''.join(line[35:] for line in lines).replace(' ', '') == f'web:{_LONG}'


def test_hooks_with_long_names_have_room():
    hook = 'a-database-of-ours-relation-departed'
    columns = display.hook_columns(['start', hook])
    assert columns == len(hook)
    assert (
        shown([with_image('start', 'a:1')], hook_columns=columns)[0].index('web') == columns + 12
    )


@pytest.mark.parametrize('name', ['RED', 'GREEN', 'BROWN', 'CYAN', 'MAGENTA', 'GREY'])
def test_a_colour_can_be_read_on_black_and_on_white(name):
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    shown = rich.color.Color.parse(getattr(display, name)).get_truecolor()
    linear = [((part / 255 + 0.055) / 1.055) ** 2.4 if part else 0 for part in shown]
    luminance = sum(map(operator.mul, (0.2126, 0.7152, 0.0722), linear))
    on_black, on_white = (luminance + 0.05) / 0.05, 1.05 / (luminance + 0.05)
    assert min(on_black, on_white) > 3.5


def test_nothing_is_wrapped_where_there_is_no_terminal(capsys):
    console.output().print(display.Hooks([with_image('start', _LONG)]))
    assert f'web: {_LONG}\n' in capsys.readouterr().out


class Terminal(io.StringIO):
    """A terminal, where stderr and stdout meet."""

    def isatty(self):
        return True


def test_progress_is_one_line_that_is_gone_while_something_is_printed(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr('sys.stderr', terminal)
    monkeypatch.setattr('sys.stdout', terminal)
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '20')
    for name in ('NO_COLOR', 'FORCE_COLOR', 'TTY_COMPATIBLE'):
        monkeypatch.delenv(name, raising=False)
    with console.Progress() as progress:
        progress.update('a text that is longer than the terminal')
        with progress.hidden():
            print('a report')
        progress.update('more')
    parts = terminal.getvalue().split('\r\x1b[K')
    assert parts == ['', 'a text that is long', 'a report\n', 'more', '']


def test_progress_is_not_shown_in_a_file(capsys):
    with console.Progress() as progress:
        progress.update('far')
    assert capsys.readouterr().err == ''
