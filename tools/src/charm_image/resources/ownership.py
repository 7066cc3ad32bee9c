"""Whose a file is."""

from __future__ import annotations

from collections.abc import Mapping

from charm_image.resources.shell import quote


def of(owner: str | None, group: str | None, owners: Mapping[str, str]) -> tuple[str, str | None]:
    """Tell owner and group; None where it is the owner's own, which only the image knows.

    `owners` are the first groups of the users that the bundle makes.
    """
    if group is not None:
        return owner or '0', group
    if owner is None or owner.isdigit():
        return owner or '0', '0'
    return owner, '0' if owner == 'root' else owners.get(owner)


def chown(owner: str | None, group: str | None, owners: Mapping[str, str], path: str) -> str:
    """The command that gives `path` its owner and group."""
    user, its_group = of(owner, group, owners)
    # "user:" is the user's own group to every chown there is, though not to POSIX
    return f'chown {quote(user + ":" + (its_group or ""))} {quote(path)}'


def told(path: str) -> str:
    """A command that tells kind, mode, owner and group of `path`."""
    # sizes and times differ once a file is in the new layer
    return f"ls -ldn {quote(path)} 2>&1 | awk '{{ print $1, $3, $4 }}'"


def snapshot(path: str, read: str = ':') -> str:
    """The same with the content, which the command `read` prints."""
    # what $() takes is newlines at the end, so one more character follows
    return f'{told(path)}; {read} 2>/dev/null || :; echo x'
