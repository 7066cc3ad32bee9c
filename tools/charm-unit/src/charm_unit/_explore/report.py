"""Shows what a search found: on a terminal, as a script, as a test, as JSON."""

import json
import shlex
import textwrap
import typing

import rich.console
import rich.text

from charm_unit._check import in_pod_spec, report, scenarios
from charm_unit._commands import display
from charm_unit._explore import prepare, requirements, search, sequences, world
from charm_unit._unit import spec, unit

_Lines = typing.Iterator[str]


def describe(known: world.World, sequence: sequences.Sequence) -> str:
    """Return a sequence in one line."""
    words = [
        '; '.join(line for operation in done for line in operation.script())
        for done in sequences.written(known, sequence)
    ]
    how = _how(sequence.start)
    return ' · '.join([f'({how})', *words] if how else words)


def _how(start: sequences.Start) -> str:
    """Return what is unusual of a deployment."""
    parts = [] if start.leader else ['not the leader']
    parts += [f'with {start.peers} peer'] if start.peers else []
    return ', '.join(parts)


def script(known: world.World, sequence: sequences.Sequence) -> str:
    """Return a shell command that runs a sequence with `charm-unit run`."""
    options = ['--no-deploy', *([] if sequence.start.leader else ['--not-leader'])]
    options += [f'--peers {sequence.start.peers}'] if sequence.start.peers else []
    options += _changed_options(known)
    lines = [
        line
        for done in sequences.written(known, sequence)
        for operation in done
        for line in operation.script()
    ]
    folder = shlex.quote(str(known.first.path))
    text = '\n'.join([*lines, 'spec', 'status'])
    return f"charm-unit run {folder} {' '.join(options)} <<'EOF'\n{text}\nEOF"


def _changed_options(known: world.World) -> _Lines:
    if known.juju != unit.JUJU:
        yield f'--juju {known.juju}'
    if known.unit_options.get('python'):
        yield f'--python {shlex.quote(str(known.unit_options["python"]))}'


def test(known: world.World, finding: search.Finding) -> str:
    """Return a test for pytest that fails as long as the requirement is broken."""
    written = sequences.written(known, finding.sequence)
    body = []
    how = '' if finding.sequence.start.leader else ', leader=False'
    how += f', peers={finding.sequence.start.peers}' if finding.sequence.start.peers else ''
    if known.older:
        folder = str(known.older.path)
        body.append(f'unit = charm_unit.Unit({folder!r}, deploy=False{how})')
    else:
        body.append(f'unit = make_unit(deploy=False{how})')
    *first, last = written
    body += [line for done in first for operation in done for line in operation.python()]
    body += _asserted(finding, [line for operation in last for line in operation.python()])
    fixture = '' if known.older else 'make_unit'
    name = finding.error.requirement
    text = f'def test_{name}({fixture}):\n' + textwrap.indent('\n'.join(body), '    ')
    imports = [
        '\n'.join(f'import {module}' for module in group if f'{module}.' in text)
        for group in (('contextlib', 'math'), ('pytest',), ('charm_unit',))
    ]
    head = '\n\n'.join(group for group in imports if group)
    return f'{head}\n\n\n{text}' if head else text


def _asserted(finding: search.Finding, last: list[str]) -> _Lines:
    """Yield the last step, and what must be true of it."""
    error, position = finding.error, finding.error.position
    resource = position.state.resources.get(error.resource)
    if error.requirement == 'idle':
        yield f'assert not any(run.pod_spec for run in {last[-1]})'
        return
    if error.requirement == 'broken':
        yield 'before = unit.pod_spec'
    yield from last
    if error.requirement == 'image' and resource:
        yield f'assert {_reference(resource)!r} in str(unit.pod_spec)'
        for stale in error.stale:
            yield f'assert {stale!r} not in str(unit.pod_spec)'
    elif error.requirement == 'credentials':
        for password in world.PASSWORDS:
            is_there = resource is not None and password == _password(resource)
            yield f'assert {password!r} {"in" if is_there else "not in"} str(unit.pod_spec)'
    elif error.requirement == 'recovers':
        yield "assert unit.status[0] not in ('blocked', 'waiting', 'error')"
    elif error.requirement == 'broken':
        yield 'assert unit.pod_spec == before'
    elif error.requirement == 'no_password_shown':
        yield "shown = ''.join(run.public_output for run in unit.runs)"
        yield f'assert not any(password in shown for password in {scenarios.PASSWORDS!r})'


def _reference(resource: sequences.Resource) -> str:
    return resource.content.reference if isinstance(resource.content, world.Image) else ''


def _password(resource: sequences.Resource) -> str:
    return resource.content.password if isinstance(resource.content, world.Image) else ''


def print_finding(
    console: rich.console.Console, known: world.World, finding: search.Finding
) -> None:
    """Print the hooks of the shortest sequence, and how to run it again."""
    title = 'The shortest sequence that breaks it'
    steps: list[scenarios.Step] = []
    written = sequences.written(known, finding.sequence)
    for done, played in zip(written, finding.error.position.played, strict=False):
        words = '; '.join(line for operation in done for line in operation.script())
        how = _how(finding.sequence.start)
        if not steps and how:
            words += f' ({how})'
        steps.append(scenarios.Step('', words, '', played.runs, None, ('', '')))
    scenario = scenarios.Scenario('', title, steps)
    report.print_scenario(
        console, scenario, display.hook_columns(run.hook for run in scenario.runs)
    )
    report.print_heading(console, 'As a script')
    console.print(rich.text.Text(script(known, finding.sequence)))
    report.print_heading(
        console, f'As a test, for pytest --charm {shlex.quote(str(known.built.path))}'
    )
    console.print(rich.text.Text(test(known, finding)))


def print_verdicts(
    console: rich.console.Console,
    prepared: prepare.Prepared,
    found: search.Found,
) -> None:
    """Print one line for each requirement, and what was not explored."""
    console.print()
    for name, sentence in requirements.REQUIREMENTS.items():
        broken = [one.error for one in found.findings if one.error.requirement == name]
        for error in broken:
            where = f'{error.resource}: ' if error.resource else ''
            _print_line(console, 'fails', sentence, f'{where}{error}')
        if broken:
            continue
        if found.checked[name]:
            _print_line(console, 'holds', sentence, f'checked {found.checked[name]} times')
        elif not found.findings:
            _print_line(console, 'unknown', sentence, 'never checked')
    for what, why in prepared.left_out.items():
        _print_line(console, 'unknown', f'{what} was left as it is', why)
    for why, count in found.not_explored.items():
        _print_line(console, 'unknown', f'{count} sequences were ended early', why)


def _print_line(console: rich.console.Console, outcome: str, sentence: str, seen: str) -> None:
    console.print(report.verdict_line(outcome, sentence, seen))


def print_summary(console: rich.console.Console, found: search.Found, seed: int) -> None:
    """Print how much was explored."""
    speed = f', {found.hooks / found.seconds:.0f} a second' if found.seconds else ''
    console.print()
    console.print(
        rich.text.Text(
            f'{found.sequences} sequences of seed {seed}, {found.hooks} hooks in '
            f'{found.seconds:.0f} s{speed}',
            'dim',
        )
    )


def as_json(known: world.World, prepared: prepare.Prepared, found: search.Found, seed: int) -> str:
    """Return the findings, each with its sequence, and how much was explored, as JSON."""
    facts = {
        'charm': known.built.name,
        'path': str(known.built.path),
        'from': str(known.older.path) if known.older else None,
        'juju': known.juju,
        'seed': seed,
        'fails': bool(found.findings),
        'sequences': found.sequences,
        'hooks': found.hooks,
        'seconds': round(found.seconds, 3),
        'requirements': [
            {
                'id': name,
                'sentence': sentence,
                'checked': found.checked[name],
                'broken': any(one.error.requirement == name for one in found.findings),
            }
            for name, sentence in requirements.REQUIREMENTS.items()
        ],
        'findings': [_finding(known, finding) for finding in found.findings],
        'left_out': prepared.left_out,
        'ended_early': dict(found.not_explored),
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)


def _finding(known: world.World, finding: search.Finding) -> dict[str, typing.Any]:
    error, how = finding.error, finding.sequence.start
    written = sequences.written(known, finding.sequence)
    return {
        'requirement': error.requirement,
        'sentence': requirements.REQUIREMENTS[error.requirement],
        'resource': error.resource or None,
        'seen': str(error),
        'leader': how.leader,
        'peers': how.peers,
        'steps': [
            {
                'commands': [line for operation in done for line in operation.script()],
                'hooks': [{'unit': run.unit, **report.hook_facts(run)} for run in played.runs],
                'status': list(played.status),
                'leader': played.leader,
                'images': in_pod_spec.images(
                    spec.load(played.pod_spec) if played.pod_spec else None
                ),
            }
            for done, played in zip(written, error.position.played, strict=False)
        ],
        'script': script(known, finding.sequence),
        'test': test(known, finding),
    }
