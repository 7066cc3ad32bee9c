"""Reports scenarios and verdicts: on a terminal, as JSON, as JUnit XML, as a picture."""

import dataclasses
import io
import json
import re
import typing
import xml.etree.ElementTree

import rich.cells
import rich.console
import rich.text

from charm_unit._check import in_pod_spec, scenarios, verdicts
from charm_unit._commands import display
from charm_unit._unit import runs

_STYLES = {
    verdicts.HOLDS: display.GREEN,
    verdicts.FAILS: f'bold {display.RED}',
    verdicts.UNKNOWN: display.BROWN,
}
_PICTURE_COLUMNS = 110
_RULE_COLUMNS = 80
_NOT_XML = re.compile('[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')


@dataclasses.dataclass
class Result:
    """The scenarios of one image resource, in order, and the verdicts."""

    resource: str
    scenarios: 'list[scenarios.Scenario]'
    verdicts: 'list[verdicts.Verdict]' = dataclasses.field(default_factory=list)

    @property
    def fails(self) -> bool:
        """Whether a requirement is not met."""
        return any(verdict.outcome == verdicts.FAILS for verdict in self.verdicts)


def print_heading(console: rich.console.Console, title: str) -> None:
    """Print an empty line, and a title with a rule beside it."""
    console.print()
    rule = '─' * (min(console.width, _RULE_COLUMNS) - rich.cells.cell_len(title) - 1)
    console.print(rich.text.Text.assemble((title, 'bold'), ' ', (rule, display.GREY)))


def print_scenario(
    console: rich.console.Console, scenario: scenarios.Scenario, hook_columns: int
) -> None:
    """Print what each hook of a scenario did, with the hooks' names in so many columns."""
    print_heading(console, scenario.title)
    for step in scenario.steps:
        console.print(rich.text.Text(step.title, 'bold'))
        if step.command:
            console.print(rich.text.Text(f'$ {step.command}', display.GREY))
        console.print(display.Hooks(step.runs, hook_columns))
        for run in step.runs:
            if run.timed_out:
                _print_output(console, run)


def _print_output(console: rich.console.Console, run: runs.Run) -> None:
    """Print what a hook that timed out had logged and printed."""
    lines = [*(message for _level, message in run.log), run.output.strip()]
    console.print(rich.text.Text(f'Output of {run.hook} until the time limit:', display.RED))
    console.print(
        rich.text.Text('\n'.join(text for text in lines if text) or '(no output)', display.GREY)
    )


def print_verdicts(console: rich.console.Console, result: Result) -> None:
    """Print one line for each verdict."""
    print_heading(console, result.resource)
    for verdict in result.verdicts:
        console.print(verdict_line(verdict.outcome, verdict.sentence, verdict.seen))


def verdict_line(outcome: str, sentence: str, seen: str) -> rich.text.Text:
    """Return the line for a requirement: mark, requirement, observation."""
    style = _STYLES[outcome]
    line = rich.text.Text.assemble((verdicts.MARKS[outcome], style), ' ', sentence)
    if seen:
        line.append(f': {seen}', display.GREY if outcome == verdicts.HOLDS else style)
    return line


def print_summary(
    console: rich.console.Console, results: typing.Sequence[Result], seconds: float
) -> None:
    """Print the number of verdicts of each kind, and of hooks."""
    outcomes = [verdict.outcome for one in results for verdict in one.verdicts]
    hooks = sum(len(scenario.runs) for one in results for scenario in one.scenarios)
    parts = [
        (f'{verdicts.MARKS[outcome]} {outcomes.count(outcome)}', _STYLES[outcome])
        for outcome in (verdicts.HOLDS, verdicts.FAILS, verdicts.UNKNOWN)
        if outcome in outcomes
    ]
    line = rich.text.Text('  ').join(rich.text.Text(*part) for part in parts)
    line.append(f'  {hooks} hooks in {seconds:.0f} s', display.GREY)
    console.print()
    console.print(line)


def picture(title: str, results: typing.Sequence[Result], seconds: float) -> str:
    """Return what a terminal shows as SVG."""
    console = rich.console.Console(
        record=True, width=_PICTURE_COLUMNS, file=io.StringIO(), highlight=False
    )
    columns = display.hook_columns(
        run.hook for one in results for scenario in one.scenarios for run in scenario.runs
    )
    for one in results:
        for scenario in one.scenarios:
            print_scenario(console, scenario, columns)
    for one in results:
        print_verdicts(console, one)
    print_summary(console, results, seconds)
    return console.export_svg(title=title)


def as_json(charm: str, results: typing.Sequence[Result]) -> str:
    """Return verdicts and scenarios as JSON."""
    report = {
        'charm': charm,
        'fails': any(one.fails for one in results),
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
                'runs': [_life(scenario) for scenario in one.scenarios],
            }
            for one in results
        },
    }
    return json.dumps(report, indent=2, ensure_ascii=False)


def _life(scenario: scenarios.Scenario) -> dict[str, typing.Any]:
    return {
        'name': scenario.name,
        'title': scenario.title,
        'steps': [
            {
                'name': step.name,
                'title': step.title,
                'command': step.command,
                'hooks': [hook_facts(run) for run in step.runs],
                'status': list(step.status),
                'images': in_pod_spec.images(step.pod_spec),
            }
            for step in scenario.steps
        ],
    }


def hook_facts(run: runs.Run) -> dict[str, typing.Any]:
    """Return what JSON has of a hook."""
    return {
        'hook': run.hook,
        'exit_code': run.exit_code,
        'timed_out': run.timed_out,
        'seconds': round(run.seconds, 3),
        'flags_set': sorted(run.flags_set),
        'flags_cleared': sorted(run.flags_cleared),
        'flags_transient': sorted(run.flags_transient),
        'statuses': [list(status) for status in run.statuses],
        'pod_spec_sent': run.pod_spec is not None,
        'images': in_pod_spec.images(run.pod_spec),
    }


def as_junit(charm: str, results: typing.Sequence[Result]) -> bytes:
    """Return the verdicts as JUnit XML: a suite per resource, a case per requirement."""
    suites = xml.etree.ElementTree.Element('testsuites', name=f'charm-unit check {charm}')
    for one in results:
        outcomes = [verdict.outcome for verdict in one.verdicts]
        suite = xml.etree.ElementTree.SubElement(
            suites,
            'testsuite',
            name=f'{charm} {one.resource}',
            tests=str(len(outcomes)),
            failures=str(outcomes.count(verdicts.FAILS)),
            errors='0',
            skipped=str(outcomes.count(verdicts.UNKNOWN)),
            time=f'{sum(run.seconds for scenario in one.scenarios for run in scenario.runs):.3f}',
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
