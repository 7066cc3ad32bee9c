"""Whether a hook has nothing to do: most hooks import this module, and no other beside it."""

import typing

from charmhelpers.core import hookenv, unitdata

PREFIX = 'layer.docker-resource.'
MEMORY = PREFIX + 'memory'
SETTLED = 'settled'  # in the memory: the flags of the records after a hook that left nothing to do

# Juju runs config-changed after upgrade-charm, even one that failed and is not to be retried.
READING_HOOKS = ('upgrade-charm', 'config-changed')

# As charms.reactive keeps them. Its get_flags decodes a value of each, too, which takes four times
# as long. Should it keep them elsewhere, no hook is idle.
_SELECT_FLAGS = """
    SELECT substr(key, 17) FROM kv WHERE key GLOB 'reactive.states.layer.docker-resource.*'
    ORDER BY key
"""

has_ended = False  # the hook, for which Juju starts one process


def is_idle() -> bool:
    """Return whether nothing is due, and flags are as the layer set them."""
    memory = unitdata.kv().get(MEMORY) or {}
    return hookenv.hook_name() not in READING_HOOKS and memory.get(SETTLED) == _flags()


def _flags() -> typing.List[str]:
    """Return the flags of this layer that are set, also those that were set in this hook."""
    return [flag for (flag,) in unitdata.kv().cursor.execute(_SELECT_FLAGS)]
