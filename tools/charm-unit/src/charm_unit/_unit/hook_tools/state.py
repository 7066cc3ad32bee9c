"""state-get, state-set, state-delete: what the controller keeps for the charm."""

import yaml

from charm_unit._unit import context, go_yaml
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

_KEY_BYTES, _VALUE_BYTES = 256, 65536
"""The most that Juju keeps (core/quota)."""


def _state_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, flags=('strict',), valued=OUTPUT)
    check_empty(words[1:])
    key = words[0] if words else '-'
    kept = hook.charm_state()
    if key == '-':
        output(answer, kept, options)
    elif key not in kept and 'strict' in options:
        raise Failed(f'"{key}" not found')
    else:
        output(answer, kept.get(key, ''), options)


def _state_set(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, valued=('file',))
    given = pairs(words)
    if 'file' in options:
        given = {**read_settings(call, options['file']), **given}
    for key, value in given.items():
        for limit, text, kind in ((_KEY_BYTES, key, 'key'), (_VALUE_BYTES, value, 'value')):
            if len(text.encode()) > limit:
                raise Failed(f'max allowed {kind} length ({limit}) exceeded')
        hook.charm_state()[key] = value


def _state_delete(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, _ = parse(call)
    if words:
        check_empty(words[1:])
        hook.charm_state().pop(words[0], None)


def read_settings(call: Call, file: str) -> dict[str, str]:
    """Return the pairs in a YAML file of strings, null being an empty one; raise Failed."""
    try:
        return go_yaml.load_strings(call.read(file))
    except yaml.YAMLError as error:
        line, what = go_yaml.problem(error)
        raise Failed(f'yaml: line {line}: {what}') from error
    except ValueError as error:
        raise Failed(f'yaml: {error}') from error


TOOLS: dict[str, Tool] = {
    'state-delete': _state_delete,
    'state-get': _state_get,
    'state-set': _state_set,
}
