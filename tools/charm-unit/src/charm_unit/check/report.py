"""Tells what was lived and judged: on a terminal, as JSON, as JUnit's XML, as a picture."""

import dataclasses
import io
import json
import re
import typing
import xml.etree.ElementTree

import rich.console
import rich.rule
import rich.text

from charm_unit._commands import display
from charm_unit._unit import runs
from charm_unit.check import in_pod_spec, lives, verdicts

_STYLES = {verdicts.HOLDS: 'green', verdicts.FAILS: 'bold red', verdicts.UNKNOWN: 'yellow'}
_PICTURE_COLUMNS = 110
_NOT_XML = re.compile('[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')


@dataclasses.dataclass
class Judged:
    """One image resource: its lives in order, and the verdicts."""

    resource: str
    lives: 'list[lives.Life]'
    verdicts: 'list[verdicts.Verdict]' = dataclasses.field(default_factory=list)

    @property
    def fails(self) -> bool:
        """Whether a sentence fails."""
        return any(verdict.outcome == verdicts.FAILS for verdict in self.verdicts)


def tell_life(console: rich.console.Console, life: lives.Life) -> None:
    """Print what each hook of a life did."""
    console.print()
    console.print(rich.rule.Rule(rich.text.Text(life.title, 'bold'), align='left', style='dim'))
    for step in life.steps:
        console.print(rich.text.Text(step.title, 'bold'))
        if step.command:
            console.print(rich.text.Text(f'$ {step.command}', 'dim'))
        console.print(display.table(step.runs))
        for run in step.runs:
            if run.ended:
                _tell_output(console, run)


def _tell_output(console: rich.console.Console, run: runs.Run) -> None:
    """Print what a hook that hung had to say until then."""
    said = [*(message for _level, message in run.log), run.output.strip()]
    console.print(rich.text.Text(f'Output of {run.hook} until the time limit:', 'red'))
    console.print(rich.text.Text('\n'.join(text for text in said if text) or '(no output)', 'dim'))


def tell_verdicts(console: rich.console.Console, judged: Judged) -> None:
    """Print a line for each verdict."""
    console.print()
    console.print(
        rich.rule.Rule(rich.text.Text(judged.resource, 'bold'), align='left', style='dim')
    )
    for verdict in judged.verdicts:
        style = _STYLES[verdict.outcome]
        line = rich.text.Text.assemble(
            (verdicts.MARKS[verdict.outcome], style), ' ', verdict.sentence
        )
        if verdict.seen:
            line.append(f': {verdict.seen}', 'dim' if verdict.outcome == verdicts.HOLDS else style)
        console.print(line)


def tell_sum(
    console: rich.console.Console, judged: typing.Sequence[Judged], seconds: float
) -> None:
    """Print how many sentences hold."""
    outcomes = [verdict.outcome for one in judged for verdict in one.verdicts]
    hooks = sum(len(life.runs) for one in judged for life in one.lives)
    parts = [
        (f'{verdicts.MARKS[outcome]} {outcomes.count(outcome)}', _STYLES[outcome])
        for outcome in (verdicts.HOLDS, verdicts.FAILS, verdicts.UNKNOWN)
        if outcome in outcomes
    ]
    line = rich.text.Text('  ').join(rich.text.Text(*part) for part in parts)
    line.append(f'  {hooks} hooks in {seconds:.0f} s', 'dim')
    console.print()
    console.print(line)


def picture(title: str, judged: typing.Sequence[Judged], seconds: float) -> str:
    """Return an SVG of what a terminal shows."""
    console = rich.console.Console(
        record=True, width=_PICTURE_COLUMNS, file=io.StringIO(), highlight=False
    )
    for one in judged:
        for life in one.lives:
            tell_life(console, life)
    for one in judged:
        tell_verdicts(console, one)
    tell_sum(console, judged, seconds)
    return console.export_svg(title=title)


def as_json(charm: str, judged: typing.Sequence[Judged]) -> str:
    """Return all of it as JSON."""
    told = {
        'charm': charm,
        'fails': any(one.fails for one in judged),
        'resources': {
            one.resource: {
                'verdicts': [
                    {
                        'id': verdict.id,
                        'sentence': verdict.sentence,
                        'verdict': verdict.outcome,
                        'mark': verdicts.MARKS[verdict.outcome],
                        'seen': verdict.seen,
                    }
                    for verdict in one.verdicts
                ],
                'runs': [_life(life) for life in one.lives],
            }
            for one in judged
        },
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def _life(life: lives.Life) -> dict[str, typing.Any]:
    return {
        'name': life.name,
        'title': life.title,
        'steps': [
            {
                'name': step.name,
                'title': step.title,
                'command': step.command,
                'hooks': [_hook(run) for run in step.runs],
                'status': list(step.status),
                'images': in_pod_spec.images(step.pod_spec),
            }
            for step in life.steps
        ],
    }


def _hook(run: runs.Run) -> dict[str, typing.Any]:
    return {
        'hook': run.hook,
        'exit_code': run.exit_code,
        'ended': run.ended,
        'seconds': round(run.seconds, 3),
        'flags_set': sorted(run.flags_set),
        'flags_cleared': sorted(run.flags_cleared),
        'flags_passing': sorted(run.flags_passing),
        'statuses': [list(status) for status in run.statuses],
        'pod_spec_sent': run.pod_spec is not None,
        'images': in_pod_spec.images(run.pod_spec),
    }


def as_junit(charm: str, judged: typing.Sequence[Judged]) -> bytes:
    """Return the verdicts as JUnit's XML: a suite for each resource, a case for each sentence."""
    suites = xml.etree.ElementTree.Element('testsuites', name=f'charm-unit check {charm}')
    for one in judged:
        outcomes = [verdict.outcome for verdict in one.verdicts]
        suite = xml.etree.ElementTree.SubElement(
            suites,
            'testsuite',
            name=f'{charm} {one.resource}',
            tests=str(len(outcomes)),
            failures=str(outcomes.count(verdicts.FAILS)),
            errors='0',
            skipped=str(outcomes.count(verdicts.UNKNOWN)),
            time=f'{sum(run.seconds for life in one.lives for run in life.runs):.3f}',
        )
        for verdict in one.verdicts:
            case = xml.etree.ElementTree.SubElement(
                suite, 'testcase', classname=f'{charm}.{one.resource}', name=verdict.sentence
            )
            kind = {verdicts.FAILS: 'failure', verdicts.UNKNOWN: 'skipped'}.get(verdict.outcome)
            seen = _NOT_XML.sub('?', verdict.seen)
            if kind:
                xml.etree.ElementTree.SubElement(case, kind, message=seen)
            elif seen:
                xml.etree.ElementTree.SubElement(case, 'system-out').text = seen
    xml.etree.ElementTree.indent(suites)
    text: bytes = xml.etree.ElementTree.tostring(suites, encoding='utf-8', xml_declaration=True)
    return text
