"""Whether a hook has nothing to do: most hooks import this module, and no other beside it."""

import typing

import charms.reactive as reactive
from charmhelpers.core import hookenv, unitdata

PREFIX = 'layer.docker-resource.'
MEMORY = PREFIX + 'memory'
SETTLED = 'settled'  # in the memory: the flags after a hook that left nothing to do, or None

# Juju runs config-changed after upgrade-charm, even one that failed and is not to be retried.
READING_HOOKS = ('upgrade-charm', 'config-changed')

has_ended = False  # the hook, for which Juju starts one process


def is_idle() -> bool:
    """Return whether nothing is due, and flags are as the last hook left them."""
    memory = unitdata.kv().get(MEMORY) or {}
    return hookenv.hook_name() not in READING_HOOKS and memory.get(SETTLED) == flags()


def flags() -> typing.List[str]:
    """Return the flags of this layer that are set."""
    return [flag for flag in reactive.get_flags() if flag.startswith(PREFIX)]
