"""Owner and group of files."""

from __future__ import annotations

from collections.abc import Mapping

from charm_image.resources._shell import quote


def resolve(
    owner: str | None, group: str | None, primary_groups: Mapping[str, str]
) -> tuple[str, str | None]:
    """Return owner and group; the group is None if only the image knows the owner's group.

    `primary_groups` are the primary groups of the users that the bundle creates.
    """
    if group is not None:
        return owner or '0', group
    if owner is None or owner.isdigit():
        return owner or '0', '0'
    return owner, '0' if owner == 'root' else primary_groups.get(owner)


def chown(
    owner: str | None,
    group: str | None,
    primary_groups: Mapping[str, str],
    path: str,
    option: str = '',
) -> str:
    """Return the command that sets owner and group of `path`; `option` is one of chown."""
    user, its_group = resolve(owner, group, primary_groups)
    # every chown takes "user:" for the user's own group, although POSIX does not say so
    return f'chown {option and option + " "}{quote(user + ":" + (its_group or ""))} {quote(path)}'


def describe(path: str) -> str:
    """Return a command that prints type, mode, owner and group of `path`."""
    # sizes and times change once a file is in the new layer
    return f"ls -ldn {quote(path)} 2>&1 | awk '{{ print $1, $3, $4 }}'"


def snapshot(path: str, read: str = ':') -> str:
    """Return a command that also prints the content, as the command `read` does."""
    # $() strips trailing newlines, so print one more character
    return f'{describe(path)}; {read} 2>/dev/null || :; echo x'
