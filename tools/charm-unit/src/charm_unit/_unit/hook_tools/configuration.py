"""config-get, goal-state."""

import typing

from charm_unit._unit import context
from charm_unit._unit.hook_tools.tool import (
    OUTPUT,
    Answer,
    Call,
    Failed,
    Tool,
    check_empty,
    output,
    parse,
)


def _config_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, flags=('a', 'all'), valued=OUTPUT)
    everything = 'a' in options or 'all' in options
    key = words[0] if words else ''
    if key and everything:
        raise Failed(f'cannot use argument --all together with key "{key}"', 2)
    check_empty(words[1:])
    known = hook.model.options
    if key:
        output(answer, known.get(key), options)
    else:
        value = {
            name: set_to for name, set_to in known.items() if everything or set_to is not None
        }
        output(answer, value, options)


def _goal_state(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, valued=OUTPUT)
    check_empty(words)
    since = '2024-01-01 00:00:00Z'
    related: dict[str, dict[str, typing.Any]] = {}
    statuses = {**hook.model.peer_statuses, hook.model.unit: hook.model.status}
    for relation in hook.model.relations.values():
        if relation.is_peer:  # listed as units, and not as a relation
            statuses = {**dict.fromkeys(relation.units, ('active', '')), **statuses}
            continue
        members = related.setdefault(relation.endpoint, {})
        for name in (relation.remote_application, *relation.units):
            members[name] = {'status': 'joined' if '/' not in name else 'active', 'since': since}
    units = {name: {'status': state, 'since': since} for name, (state, _) in statuses.items()}
    output(answer, {'units': units, 'relations': related}, options, 'yaml', ('json', 'yaml'))


TOOLS: dict[str, Tool] = {
    'config-get': _config_get,
    'goal-state': _goal_state,
}
