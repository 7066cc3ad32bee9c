"""What one step asks of a unit: called on it, written as a command of a script, or as Python."""

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
    'resolve': 'resolve',
    'retry': 'idle',
    'upgrade': 'upgrade',
}


@dataclasses.dataclass(frozen=True)
class Operation:
    """A method of Unit and its arguments."""

    method: str
    arguments: tuple[typing.Any, ...] = ()
    fails: bool = False
    """Whether the hooks are made to fail before they begin, as if the pod had been evicted."""

    def call(self, subject: unit.Unit) -> list[runs.Run]:
        """Call the method; return the runs of the hooks that follow."""
        subject.command_prefix = ('false',) if self.fails else ()
        try:
            followed: list[runs.Run] = getattr(subject, self.method)(*self.arguments) or []
        finally:
            subject.command_prefix = ()
        return followed

    def script(self) -> list[str]:
        """Return the commands of `charm-unit run` that do this."""
        command = ' '.join([self._script_name(), *map(shlex.quote, self._words())])
        return ['fail-hooks', command, 'repair-hooks'] if self.fails else [command]

    def python(self) -> list[str]:
        """Return the lines of a test that do this to `unit`."""
        arguments = ', '.join(
            'math.inf' if word == math.inf else repr(word) for word in self.arguments
        )
        call = f'unit.{self.method}({arguments})'
        if not self.fails:
            return [call]
        return [
            "unit.command_prefix = ['false']  # the next hook fails before it begins",
            'with pytest.raises(charm_unit.HookFailedError):',
            f'    {call}',
            'unit.command_prefix = []',
        ]

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
