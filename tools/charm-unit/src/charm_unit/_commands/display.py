"""Shows what hooks did, on a terminal or in a file."""

import dataclasses
import typing

import rich.console
import rich.text

from charm_unit._unit import runs

# Of the 256 colours, those with the contrast of large text on black and on white (WCAG: 3 to 1).
RED, GREEN, BROWN = 'color(160)', 'color(28)', 'color(130)'
CYAN, MAGENTA, GREY = 'color(30)', 'color(164)', 'color(243)'

STATUS_STYLES = {
    'active': GREEN,
    'blocked': RED,
    'error': f'bold {RED}',
    'maintenance': BROWN,
    'waiting': BROWN,
}
_KIND_COLUMNS = len('pod spec')
_LEAST_COLUMNS = 20
"""What a change may take on a terminal that is too narrow."""
_BAD_FLAGS = ('.failed', '.error', '.broken')

Change = tuple[str, rich.text.Text]
"""A kind (flag, status, …) and the change."""


def status(state: str, message: str) -> rich.text.Text:
    """Return a status as one line."""
    return rich.text.Text.assemble(
        (state, f'bold {STATUS_STYLES.get(state, "")}'), f'  {message}' if message else ''
    )


def changes(run: runs.Run) -> typing.Iterator[Change]:
    """Yield everything that a hook changed and an operator would want to know."""
    if run.exit_code:
        how = 'timed out' if run.timed_out else f'exit code {run.exit_code}'
        yield 'failed', rich.text.Text(how, f'bold {RED}')
        reason = _last_line(run)
        if reason:
            yield '', rich.text.Text(reason, RED)
    for sign, flags in (('+', run.flags_set), ('-', run.flags_cleared)):
        for flag in sorted(flags):
            good = (sign == '+') != flag.endswith(_BAD_FLAGS)
            yield 'flag', rich.text.Text(f'{sign} {flag}', GREEN if good else RED)
    for flag in sorted(run.flags_transient):
        yield 'flag', rich.text.Text(f'± {flag} (in this hook only)', MAGENTA)
    if run.statuses != [run.status_before]:
        for state, message in run.statuses:
            yield 'status', status(state, message)
    for rid, data in sorted(run.relation_data.items()):
        yield 'relation', rich.text.Text(f'{rid}: {_pairs(data)}')
    yield from _images(run.pod_spec)
    if run.action:
        yield 'action', rich.text.Text(f'{run.action.status}  {run.action.message}'.rstrip())
        for key, value in run.action.results.items():
            yield '', rich.text.Text(f'{key}: {value}')
    for tool in sorted(set(run.not_simulated)):
        yield 'tool', rich.text.Text(f'{tool} is not simulated', RED)


def _images(pod_spec: 'dict[str, typing.Any] | None') -> typing.Iterator[Change]:
    for container in (pod_spec or {}).get('containers') or ():
        details = container.get('imageDetails') or {}
        path = details.get('imagePath') or container.get('image')
        who = f', as {details.get("username")} with a password' if details.get('password') else ''
        yield 'pod spec', rich.text.Text(f'{container.get("name")}: {path}{who}', CYAN)


def _pairs(data: typing.Mapping[str, str]) -> str:
    return ' '.join(f'{key}={value}' for key, value in sorted(data.items()))


def _last_line(run: runs.Run) -> str:
    """Return the last line that a failed hook printed or logged."""
    logged = [message for level, message in run.log if level in ('ERROR', 'CRITICAL')]
    lines = run.output.strip().splitlines() or [
        line for message in logged for line in message.splitlines()
    ]
    return lines[-1].strip() if lines else ''


_HOOK_COLUMNS = len('leader-settings-changed')


def hook_columns(hooks: typing.Iterable[str]) -> int:
    """Return how many columns the names of these hooks need."""
    return max([_HOOK_COLUMNS, *map(len, hooks)])


@dataclasses.dataclass(frozen=True)
class Hooks:
    """What hooks did, to print: hook, kind and change, in the same columns each time."""

    runs: typing.Sequence[runs.Run]
    hook_columns: int = _HOOK_COLUMNS
    with_units: bool = False
    """Whether to print the unit of each hook."""

    def __rich_console__(
        self, console: rich.console.Console, options: rich.console.ConsoleOptions
    ) -> rich.console.RenderResult:
        rows = [
            (_name(run, self.with_units) if number == 0 else '', kind, change)
            for run in self.runs
            for number, (kind, change) in enumerate(list(changes(run)) or [_nothing('no changes')])
        ] or [('', *_nothing('no hooks run'))]
        for hook, kind, change in rows:
            first = rich.text.Text.assemble(
                (f'{hook:{self.hook_columns}}  ', f'bold {CYAN}'),
                (f'{kind:{_KIND_COLUMNS}}  ', GREY),
            )
            width = max(options.max_width - len(first), _LEAST_COLUMNS)
            for line in change.wrap(console, width, overflow='fold'):
                line.rstrip()
                yield first + line
                first = rich.text.Text(' ' * len(first))


def _name(run: runs.Run, with_unit: bool) -> str:
    return f'{run.unit} {run.hook}' if with_unit else run.hook


def _nothing(words: str) -> Change:
    return '', rich.text.Text(words, GREY)
