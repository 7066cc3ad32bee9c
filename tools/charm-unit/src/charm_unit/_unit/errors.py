"""What can go wrong with a simulated unit; all are CharmUnitError."""

import typing

if typing.TYPE_CHECKING:
    from charm_unit._unit import runs


class CharmUnitError(Exception):
    """The base of all errors here; the message says what is wrong and what to do."""


class NotABuiltCharm(CharmUnitError):
    """The folder does not hold a reactive charm that `charm-build` made."""


class EnvironmentFailed(CharmUnitError):
    """The charm's Python dependencies could not be made available to its hooks."""


class WrongUse(CharmUnitError):
    """Juju would reject what was asked for, such as an option that the charm does not have."""


class HookFailed(CharmUnitError, AssertionError):
    """A hook exited other than 0, or was ended because it took too long.

    `run` is what it did until then.
    """

    def __init__(self, failed: 'runs.Run') -> None:
        how = f'timed out after {failed.seconds:.0f} s' if failed.ended else 'exited'
        code = '' if failed.ended else f' {failed.exit_code}'
        log = '\n'.join(message for _level, message in failed.log)
        super().__init__(f'{failed.hook} {how}{code}:\n{log}\n{failed.output}')
        self.run = failed


def unknown(kind: str, name: str, known: 'typing.Iterable[str]') -> str:
    """Return the message for a name that the charm does not have."""
    listed = ', '.join(sorted(known))
    return f'the charm has no {kind} {name}: ' + (
        f'it has {listed}' if listed else f'it declares no {kind}'
    )
