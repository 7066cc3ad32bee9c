"""is-leader, leader-get, leader-set."""

from charm_unit._unit import context
from charm_unit._unit.hook_tools.tool import (
    OUTPUT,
    Answer,
    Call,
    Failed,
    Tool,
    check_empty,
    output,
    pairs,
    parse,
)


def _is_leader(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, valued=OUTPUT)
    check_empty(words)
    output(answer, hook.model.leader, options)


def _leader_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, valued=OUTPUT)
    key = words[0] if words else '-'
    if '=' in key:
        raise Failed(f'invalid key "{key}"', 2)
    check_empty(words[1:])
    settings = hook.model.leader_settings
    output(answer, settings if key == '-' else settings.get(key), options)


def _leader_set(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, _ = parse(call)
    given = pairs(words)
    if not hook.model.leader:
        raise Failed('cannot write leadership settings: cannot write settings: not the leader')
    for key, value in given.items():
        if value:
            hook.model.leader_settings[key] = value
        else:
            hook.model.leader_settings.pop(key, None)


TOOLS: dict[str, Tool] = {
    'is-leader': _is_leader,
    'leader-get': _leader_get,
    'leader-set': _leader_set,
}
