"""The flags of image resources: `layer.docker-resource.NAME.STATE`."""

import typing

import charms.reactive as reactive

PREFIX = 'layer.docker-resource.'
OLDER_AUTO_FETCHED = PREFIX + 'auto-fetched'  # older releases of this layer left it set
STATES = ('fetched', 'available', 'failed', 'changed')


def flag(name: str, state: str) -> str:
    """Return the flag of the resource `name` for a state, one of `STATES`."""
    return f'{PREFIX}{name}.{state}'


def is_set(name: str, state: str) -> bool:
    """Return whether the resource `name` is in that state."""
    return bool(reactive.is_flag_set(flag(name, state)))


def toggle(name: str, state: str, wanted: bool) -> None:
    """Set or clear a flag, only if it changes: after a clear, all handlers are tested again."""
    if wanted != is_set(name, state):
        reactive.toggle_flag(flag(name, state), wanted)


def names(state: str) -> typing.List[str]:
    """Return the sorted names of the resources in that state."""
    suffix = '.' + state
    return sorted(
        each[len(PREFIX) : -len(suffix)]
        for each in reactive.get_flags()
        if each.startswith(PREFIX) and each.endswith(suffix)
    )
