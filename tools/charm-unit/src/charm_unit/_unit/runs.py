"""What one hook did."""

import dataclasses
import typing

_TRACE = 'tracer: set flag '


@dataclasses.dataclass(frozen=True)
class Run:
    """What one hook, or action, did."""

    hook: str
    exit_code: int
    """-9 and the like if a signal ended it."""
    output: str
    """What it printed, on stdout or stderr: Juju puts it into the unit's log."""
    status_before: tuple[str, str]
    """The unit's (state, message) when the hook began."""
    statuses: list[tuple[str, str]]
    """(state, message) in the order set."""
    log: list[tuple[str, str]]
    """(level, message) as given to juju-log."""
    processes: list[list[str]]
    """The command line of every process that the hook's interpreters started."""
    flags_set: set[str]
    flags_cleared: set[str]
    flags_passing: set[str]
    """Those set in the hook and cleared before its end, as charms.reactive logs."""
    pod_spec: 'dict[str, typing.Any] | None'
    """The last one that the hook sent; None if it sent none, or failed."""
    relation_data: dict[str, dict[str, str]]
    """What the unit said anew in relations, by their ids; nothing if the hook failed."""
    cpu_seconds: float
    """Of the hook and all it waited for, user and system."""
    seconds: float
    """From its start to its end."""
    ended: bool = False
    """Whether it took too long, and was ended."""
    not_simulated: list[str] = dataclasses.field(default_factory=list)
    """Hook tools that it called and charm-unit does not have."""
    action: 'ActionResult | None' = None
    """For an action, its result."""

    def started(self, tool: str) -> list[list[str]]:
        """Return the command lines of the processes that ran `tool`."""
        return [command for command in self.processes if command[0] == tool]

    @property
    def said(self) -> str:
        """Everything that the hook let anyone see, as one text: where no secret may be."""
        return '\n'.join(
            [
                self.output,
                *(' '.join(entry) for entry in self.statuses + self.log),
                *(' '.join(command) for command in self.processes),
                *sorted(self.flags_set | self.flags_cleared | self.flags_passing),
            ]
        )


@dataclasses.dataclass(frozen=True)
class ActionResult:
    """What an operator gets from an action."""

    status: str
    """completed or failed."""
    message: str
    results: dict[str, typing.Any]
    log: list[str]


def flags_set_by_handlers(log: list[tuple[str, str]]) -> set[str]:
    """Return the flags that charms.reactive's tracer says were set during the hook."""
    return {
        line[len(_TRACE) :]
        for _level, message in log
        if 'starting handler dispatch' not in message  # which lists those that are set already
        for line in message.splitlines()
        if line.startswith(_TRACE)
    }
