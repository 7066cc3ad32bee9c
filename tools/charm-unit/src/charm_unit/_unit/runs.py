"""What one hook did."""

import dataclasses
import typing

_TRACE = 'tracer: set flag '


@dataclasses.dataclass(frozen=True, repr=False)
class Run:
    """What one hook, or action, did."""

    hook: str
    """The name of the hook or action."""
    unit: str
    """The unit in which it ran, such as my-charm/0."""
    exit_code: int
    """0, or negative if a signal ended it, such as -9; 1 if Juju refuses what it has changed."""
    output: str
    """What it printed on stdout and stderr; Juju writes it to the unit's log."""
    status_before: tuple[str, str]
    """The unit's (state, message) when the hook began."""
    statuses: list[tuple[str, str]]
    """(state, message) in the order set."""
    log: list[tuple[str, str]]
    """(level, message) as given to juju-log."""
    processes: list[list[str]]
    """The command line of every process that the hook's interpreters started."""
    flags_set: set[str]
    """The reactive flags that are set after the hook and were not before it."""
    flags_cleared: set[str]
    """The reactive flags that were set before the hook and are not after it."""
    flags_transient: set[str]
    """The reactive flags that were set in the hook and cleared before its end."""
    pod_spec: 'dict[str, typing.Any] | None'
    """The last pod spec that the hook sent; None if it sent none, or failed."""
    relation_data: dict[str, dict[str, str]]
    """The unit's data in relations that the hook wrote to, by relation id; empty if it failed."""
    cpu_seconds: float
    """Seconds of CPU of the hook and all processes that it waited for, user and system."""
    seconds: float
    """Seconds from its start to its end."""
    timed_out: bool = False
    """Whether it took too long and was stopped."""
    not_simulated: list[str] = dataclasses.field(default_factory=list)
    """The hook tools that it called and charm-unit does not have."""
    action: 'ActionResult | None' = None
    """The result of an action; None for a hook."""

    def __repr__(self) -> str:
        how = 'timed out' if self.timed_out else f'exit code {self.exit_code}'
        status = self.statuses[-1] if self.statuses else self.status_before
        return f'<charm_unit.Run {self.hook}: {how}, status={status!r}>'

    def started(self, tool: str) -> list[list[str]]:
        """Return the command lines of the processes that ran `tool`."""
        return [command for command in self.processes if command[0] == tool]

    @property
    def public_output(self) -> str:
        """Everything visible from outside as one string: no secret may be in it.

        That is output, statuses, log, processes, flags, and what an action returns.
        """
        action = self.action
        return '\n'.join(
            [
                self.output,
                *(' '.join(entry) for entry in self.statuses + self.log),
                *(' '.join(command) for command in self.processes),
                *sorted(self.flags_set | self.flags_cleared | self.flags_transient),
                *((action.message, str(action.results), *action.log) if action else ()),
            ]
        )


@dataclasses.dataclass(frozen=True)
class ActionResult:
    """What an operator gets from an action."""

    status: str
    """completed or failed."""
    message: str
    """Why it failed, or ''."""
    results: dict[str, typing.Any]
    """What it set with action-set, by key."""
    log: list[str]
    """What it logged with action-log."""


def flags_set_by_handlers(log: list[tuple[str, str]]) -> set[str]:
    """Return the flags that were set during the hook, from the log of charms.reactive's tracer."""
    return {
        line.partition(_TRACE)[2]
        for _level, message in log
        if 'starting handler dispatch' not in message  # which lists those that are set already
        for line in message.splitlines()
        # In the hook of a relation, Juju puts its id before a message.
        if line.startswith(_TRACE) or line.partition(': ')[2].startswith(_TRACE)
    }
