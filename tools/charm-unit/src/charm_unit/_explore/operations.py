"""What one step asks of a unit: called on it, written as a command of a script, or as Python."""

import contextlib
import dataclasses
import math
import shlex
import typing

from charm_unit._unit import runs, unit

_SCRIPT_NAMES = {
    'attach': 'attach',
    'become_leader': 'lead',
    'break_relation': 'unrelate',
    'configure': 'config',
    'depart': 'depart',
    'deploy': 'deploy',
    'detach': 'detach',
    'fail_resource_get': 'break',
    'idle': 'idle',
    'lose_leadership': 'stop-leading',
    'relate': 'relate',
    'repair_resource_get': 'repair',
    'remove': 'remove',
    'resolve': 'resolve',
    'run_action': 'action',
    'upgrade': 'upgrade',
}


@dataclasses.dataclass(frozen=True)
class Failure:
    """What makes hooks fail: before they begin, or at the call of a hook tool."""

    tool: str = ''
    """The hook tool; '' before the hook begins, as if its pod had been evicted."""
    kills: bool = True
    """Whether the hook is killed then; else the tool fails."""

    @contextlib.contextmanager
    def happening(self, subject: unit.Unit) -> typing.Iterator[None]:
        """Have it happen to a unit, and its peers, within the context."""
        if not self.tool:
            subject.command_prefix = ('false',)
        elif self.kills:
            subject.kill_hooks_at(self.tool)
        else:
            subject.fail_tool(self.tool)
        try:
            yield
        finally:
            if self.tool:
                subject.repair_tool(self.tool)
            else:
                subject.command_prefix = ()

    def script(self, command: str) -> list[str]:
        """Return the commands of `charm-unit run` around one that is hit."""
        if not self.tool:
            return ['fail-hooks', command, 'repair-hooks']
        begin = 'kill-at' if self.kills else 'fail-tool'
        return [f'{begin} {self.tool}', command, f'repair-tool {self.tool}']

    def python(self, call: str) -> list[str]:
        """Return the lines of a test around a call that is hit."""
        if not self.tool:
            return [
                "unit.command_prefix = ['false']  # the next hook fails before it begins",
                'with pytest.raises(charm_unit.HookFailedError):',
                f'    {call}',
                'unit.command_prefix = []',
            ]
        begin = 'kill_hooks_at' if self.kills else 'fail_tool'
        return [
            f'unit.{begin}({self.tool!r})',
            'with contextlib.suppress(charm_unit.HookFailedError):',
            f'    {call}',
            f'unit.repair_tool({self.tool!r})',
        ]


@dataclasses.dataclass(frozen=True)
class Operation:
    """A method of Unit and its arguments."""

    method: str
    arguments: tuple[typing.Any, ...] = ()
    failure: 'Failure | None' = None
    """What happens to the hooks that follow."""

    def call(self, subject: unit.Unit) -> list[runs.Run]:
        """Call the method; return the runs of the hooks that follow."""
        with self.failure.happening(subject) if self.failure else contextlib.nullcontext():
            followed: list[runs.Run] | None = getattr(subject, self.method)(*self.arguments)
        return list(followed or [])

    def script(self) -> list[str]:
        """Return the commands of `charm-unit run` that do this."""
        command = ' '.join([self._script_name(), *map(shlex.quote, self._words())])
        return self.failure.script(command) if self.failure else [command]

    def python(self) -> list[str]:
        """Return the lines of a test that do this to `unit`."""
        arguments = ', '.join(
            'math.inf' if word == math.inf else repr(word) for word in self.arguments
        )
        call = f'unit.{self.method}({arguments})'
        return self.failure.python(call) if self.failure else [call]

    def _script_name(self) -> str:
        if self.method == 'slow_resource_get':
            return 'hang'
        if self.method == 'attach' and isinstance(self.arguments[1], bytes):
            return 'deliver'
        return _SCRIPT_NAMES[self.method]

    def _words(self) -> typing.Iterator[str]:
        for argument in self.arguments:
            if isinstance(argument, dict):
                for key, value in argument.items():
                    yield f'{key}={_scalar(value)}'
            elif isinstance(argument, bytes):
                yield argument.decode().replace('\\', '\\\\').replace('\n', '\\n')
            elif argument != math.inf:
                yield str(argument)


def _scalar(value: typing.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
