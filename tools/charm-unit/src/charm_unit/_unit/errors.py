"""What can go wrong with a simulated unit.

CharmUnitError
NotABuiltCharmError
InvalidCharmError
CharmEnvironmentError
UsageError
HookFailedError     an AssertionError, too
"""

import typing

if typing.TYPE_CHECKING:
    from charm_unit._unit import runs


class CharmUnitError(Exception):
    """The base of all errors; the message describes the problem and how to correct it."""


class NotABuiltCharmError(CharmUnitError):
    """The folder does not hold a reactive charm that `charm-build` made."""


class InvalidCharmError(CharmUnitError):
    """Juju would refuse to deploy the charm: the message has the files and lines at fault."""


class CharmEnvironmentError(CharmUnitError):
    """The charm's Python dependencies could not be made available to its hooks."""


class UsageError(CharmUnitError):
    """Juju would reject what was asked for, such as an option that the charm does not have."""


class HookFailedError(CharmUnitError, AssertionError):
    """A hook exited with a code other than 0, or was stopped because it took too long."""

    run: 'runs.Run'
    """What the hook did until then."""

    def __init__(self, failed: 'runs.Run') -> None:
        how = f'timed out after {failed.seconds:.0f} s' if failed.timed_out else 'exited'
        code = '' if failed.timed_out else f' {failed.exit_code}'
        log = '\n'.join(message for _level, message in failed.log)
        super().__init__(f'{failed.hook} {how}{code}:\n{log}\n{failed.output}')
        self.run = failed


def unknown(kind: str, name: str, known: 'typing.Iterable[str]') -> str:
    """Return the message for a name that the charm does not have."""
    listed = ', '.join(sorted(known))
    return f'the charm has no {kind} {name}: ' + (
        f'it has {listed}' if listed else f'it declares no {kind}'
    )
