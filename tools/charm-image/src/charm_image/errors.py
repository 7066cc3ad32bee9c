"""Errors of an image's build."""

from __future__ import annotations

from collections.abc import Sequence


class BuildError(Exception):
    """An image cannot be built; the message says why, and what to do."""


class ResourceError(BuildError, ValueError):
    """An argument of a resource or of the builder is not valid.

    `location` is the file and line that made it, '' if they are not known.
    """

    def __init__(self, reason: str, location: str = ''):
        self.location = location
        super().__init__(f'{location}: {reason}' if location else reason)


class StepError(BuildError):
    """A resource could not be applied.

    `resource` names it, as in `Execute[make]`, or several that one command applied; `command` is
    the command that failed, and `status` its exit status, None if it did not start; `output` has
    the last lines that it wrote.
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
