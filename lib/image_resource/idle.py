"""Whether a hook has nothing to do: most hooks import this module, and no other beside it."""

from charmhelpers.core import hookenv, unitdata

PREFIX = 'layer.docker-resource.'
MEMORY = PREFIX + 'memory'
SETTLED = PREFIX + 'settled'
"""The key of the flags that the last hook's records had, a line each; of None if it left work."""

# Juju runs config-changed after upgrade-charm, even one that failed and is not to be retried. So
# what an older release did to the memory, after the flags were written, is looked at as well.
READING_HOOKS = ('upgrade-charm', 'config-changed')

# As charms.reactive keeps them. Its get_flags decodes a value of each, too, which takes four times
# as long. Should it keep them elsewhere, no hook is idle.
_SELECT_FLAGS = """
    SELECT group_concat(flag, char(10)) FROM (
        SELECT substr(key, 17) AS flag FROM kv
        WHERE key GLOB 'reactive.states.layer.docker-resource.*' ORDER BY key
    )
"""

has_ended = False  # the hook, for which Juju starts one process


def is_idle() -> bool:
    """Return whether nothing is due, and flags are as the layer set them."""
    return hookenv.hook_name() not in READING_HOOKS and unitdata.kv().get(SETTLED) == _flags()


def _flags() -> str:
    """Return the flags of this layer that are set, also those that were set in this hook."""
    [flags] = unitdata.kv().cursor.execute(_SELECT_FLAGS).fetchone()
    return flags or ''
