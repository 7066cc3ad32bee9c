"""Why an image can't be built."""

from __future__ import annotations

from collections.abc import Sequence


class BuildError(Exception):
    """An image can't be built; the message says why, and what to do."""


class ResourceError(BuildError, ValueError):
    """A resource, or an argument of the builder, can't be as it was asked for.

    `location` is the file and line that asked for it, where they are known.
    """

    def __init__(self, reason: str, location: str = ''):
        self.location = location
        super().__init__(f'{location}: {reason}' if location else reason)


class StepError(BuildError):
    """A resource could not be applied.

    `resource` names it, as in `Execute[make]`, or those that were applied at once; `command` is
    what was run for it, and `status` the exit status of that, if it came to run; `output` has the
    last lines that it wrote.
    """

    def __init__(
        self,
        resource: str,
        location: str,
        command: str,
        status: int | None,
        output: Sequence[str],
        reason: str = '',
    ):
        self.resource = resource
        self.command = command
        self.status = status
        self.output = tuple(output)
        ended = f'ended with exit status {status}' if status is not None else f'failed: {reason}'
        lines = [f'{resource} ({location}): {command!r} {ended}']
        lines += [f'    {line}' for line in self.output]
        super().__init__('\n'.join(lines))
