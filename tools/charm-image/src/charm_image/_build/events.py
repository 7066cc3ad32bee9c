"""The progress of a build, and the errors that end it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from charm_image import _errors, _progress, resources
from charm_image._build import builder_reports, plan
from charm_image._build import proxies as proxies_
from charm_image._progress import Progress
from charm_image.resources import _shell
from container_image import messages

_LAST_LINES = 20
_MAX_LINE = 1 << 16  # characters
INTERVAL = 10
"""Seconds between two reports about the progress of long work."""


def watched(
    name: str, counts: Iterable[tuple[int, int | None]], state: str = 'saving'
) -> Iterator[Progress]:
    """Iterate over `counts` of bytes done and in total; yield the progress every INTERVAL s."""
    step = _progress.Rate(name)
    for step.done, step.total in counts:
        yield from step.report(state, INTERVAL)


class Follower:
    """Turns the events of a builder into progress and errors, without credentials for proxies."""

    def __init__(
        self,
        instructions: Sequence[tuple[plan.Step | None, str]],
        proxies: Mapping[str, str] | None = None,
    ):
        self._secrets = proxies_.secrets(proxies or {})
        self.image_id = ''
        self._step_of = [step for step, _ in instructions]
        self._steps = list(dict.fromkeys(step for step in self._step_of if step))
        self._pending = {step: self._step_of.count(step) for step in self._steps}
        self._worked: set[plan.Step] = set()
        self._started: set[plan.Step] = set()
        self._current: plan.Step | None = None
        self._resource = ''
        self._command = ''
        self._output: list[str] = []

    def follow(self, event: builder_reports.Event) -> Iterator[Progress]:
        """Yield the progress that `event` reports. Raises BuildError if it is a failure."""
        if self._secrets:
            text = proxies_.masked(event.text, self._secrets)
            event = dataclasses.replace(event, text=text)
        if event.kind == 'image':
            self.image_id = event.text
        elif event.kind == 'failed':
            self._fail(event)
        elif event.kind == 'note':
            yield Progress('note', event.text)
        elif 0 <= event.instruction < len(self._step_of):
            step = self._step_of[event.instruction]
            if step is not None:
                yield from self._step(step, event)

    def _step(self, step: plan.Step, event: builder_reports.Event) -> Iterator[Progress]:
        if step is not self._current and event.kind in ('started', 'output'):
            self._current, self._resource, self._command, self._output = step, '', '', []
        if event.kind in ('started', 'output') and step not in self._started:
            self._started.add(step)
            yield self._progress('started', step)
        if event.kind == 'output':
            yield from self._line(step, event.text)
        elif event.kind in ('cached', 'done'):
            self._pending[step] -= 1
            if event.kind == 'done':
                self._worked.add(step)
            if not self._pending[step]:
                yield self._progress('done' if step in self._worked else 'cached', step)

    def _line(self, step: plan.Step, output: str) -> Iterator[Progress]:
        line = messages.printable(output, _MAX_LINE)
        if line.startswith('=> ') and line[3:] in _titles(step):
            self._resource, self._command, self._output = line[3:], '', []
        elif line.startswith('+ ') and line[2:] in _commands(self._applied(step)):
            self._command = line[2:]
        else:
            self._output = [*self._output[-_LAST_LINES + 1 :], line]
        yield self._progress('output', step, line)

    def _progress(self, state: str, step: plan.Step, text: str = '') -> Progress:
        number = self._steps.index(step) + 1
        return Progress(state, text, resource=step.title, step=number, steps=len(self._steps))

    def _applied(self, step: plan.Step) -> resources.Resource:
        matching = (r for r in step.resources if _shell.one_line(repr(r)) == self._resource)
        return next(matching, step.resources[0])

    def _fail(self, event: builder_reports.Event) -> None:
        step = self._current
        if 0 <= event.instruction < len(self._step_of):
            step = self._step_of[event.instruction]
        if step is None:
            first, *others = event.text.splitlines() or ['no reason was given']
            message = f'the engine cannot build the image: {first}'
            raise _errors.BuildError(message, details=others[-_LAST_LINES:])
        resource = self._applied(step)
        status = event.status
        for line in self._output[-1:]:
            if match := re.fullmatch('exit status ([0-9]+), expected [0-9]+', line):
                status = int(match[1])
        raise _errors.StepError(
            self._resource or step.title,
            resource.location,
            self._command or resource.title,
            status,
            self._output,
            event.text,
        )


def _commands(resource: resources.Resource) -> list[str]:
    return resource.titles if isinstance(resource, resources.Execute) else []


def _titles(step: plan.Step) -> set[str]:
    return {_shell.one_line(repr(resource)) for resource in step.resources} | {step.title}
