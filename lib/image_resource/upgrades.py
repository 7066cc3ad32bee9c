"""What an upgrade can change: the release of this layer, metadata.yaml and layer.yaml."""

import contextlib
import typing

import charms.reactive as reactive
from charmhelpers.core import hookenv, unitdata

from image_resource import declared, flags, memory

_OLDER_STATUS = 'unable to fetch resource'
_OLDER_KEYS = (flags.PREFIX + 'problems', flags.PREFIX + 'auto-fetch-done')


def adopt_older_state(kept: memory.Memory) -> None:
    """Adopt the state that an older release of this layer left behind, if any."""
    fetched = flags.names('fetched')
    auto_fetched, _ = declared.auto_fetched()
    for name in fetched:
        last = memory.last_good(name)
        if last:
            kept.given[name] = last
        # Nobody wrote down what handlers called `fetch` for: what was there, somebody wanted.
        if last and name not in auto_fetched and name not in kept.asked:
            kept.asked.append(name)
        flags.toggle(name, 'changed', False)  # they left it set for good
        unitdata.kv().unset(f'reactive.data_changed.{flags.PREFIX}{name}')
    if reactive.is_flag_set(flags.OLDER_AUTO_FETCHED):
        reactive.clear_flag(flags.OLDER_AUTO_FETCHED)
    kept.is_told = bool(unitdata.kv().get(_OLDER_KEYS[0])) or bool(fetched and _is_older_status())
    for key in _OLDER_KEYS:
        unitdata.kv().unset(key)


def _is_older_status() -> bool:
    """Return whether an older release set the unit's status; those never replaced it."""
    with contextlib.suppress(Exception):
        return str(hookenv.status_get()[1]).startswith(_OLDER_STATUS)
    return False


def heed_metadata(
    kept: memory.Memory, is_other_charm: bool
) -> typing.Tuple[typing.Set[str], typing.Dict[str, str]]:
    """Set ``fetched`` for resources with auto-fetch; forget those that metadata.yaml lost.

    Return the names of all resources that the charm wants, and the reasons, by name, why entries
    in metadata.yaml can't be used.
    """
    images = declared.images()
    auto_fetched, wrong = declared.auto_fetched()
    for name in kept.names().union(*map(flags.names, flags.STATES)):
        problem = kept.problems.get(name)
        is_of_author = problem is not None and problem.remedy == memory.REPORT
        if name in images:
            is_over = is_of_author and name not in wrong and not flags.is_set(name, 'fetched')
        else:
            # One that a handler asked for in vain is as wrong as it was.
            is_over = name not in wrong and (is_other_charm or not is_of_author)
        if is_over:
            forget(kept, name)
    for name in auto_fetched:
        if is_other_charm or name not in kept.marked:  # else the charm does without it
            flags.toggle(name, 'fetched', True)
    kept.marked = sorted(auto_fetched)
    for name in flags.names('fetched'):
        wrong.pop(name, None)
    return auto_fetched.union(kept.asked), wrong


def drop_unwanted(kept: memory.Memory, wanted: typing.Collection[str]) -> typing.Set[str]:
    """Forget failed resources that neither metadata.yaml nor a handler wants; return the names."""
    dropped = {
        name
        for name, problem in kept.problems.items()
        if name not in wanted and problem.status == 'blocked' and problem.remedy != memory.REPORT
    }
    for name in dropped:
        given = kept.given.get(name)
        forget(kept, name)
        if given:  # a handler that asks for it again has still taken that one
            kept.given[name] = given
    return dropped


def forget(kept: memory.Memory, name: str) -> None:
    """Clear the flags of the resource `name`, and drop everything about it."""
    for state in flags.STATES:
        flags.toggle(name, state, False)
    kept.forget(name)


def warn(kept: memory.Memory, options: object) -> None:
    """Log, once, the settings in metadata.yaml and the layer's `options` that have no effect."""
    warnings = declared.warnings(options)
    for warning in warnings:
        if warning not in kept.warned:
            hookenv.log(warning, level=hookenv.WARNING)
    kept.warned = warnings


def warn_of_unasked(kept: memory.Memory) -> None:
    """Log, once, the images that the charm has not asked for until now."""
    kept.is_checked = True
    for name in declared.unasked([*kept.asked, *kept.unasked, *flags.names('fetched')]):
        kept.unasked.append(name)
        hookenv.log(
            f'image resource {name} was never fetched: add auto-fetch: true to its entry in'
            f" metadata.yaml, or call layer.docker_resource.fetch('{name}')",
            level=hookenv.WARNING,
        )
