"""state-get, state-set, state-delete: what the controller keeps for the charm."""

import yaml

from charm_unit._unit import context
from charm_unit._unit.hook_tools.tool import (
    OUTPUT,
    Answer,
    Call,
    Failed,
    Tool,
    check_empty,
    key_values,
    output,
    parse,
)

_KEY_BYTES, _VALUE_BYTES = 256, 65536
"""The most that Juju keeps (core/quota)."""


def _state_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, flags=('strict',), options=OUTPUT)
    check_empty(words[1:])
    key = words[0] if words else '-'
    kept = hook.charm_state()
    if key == '-':
        output(answer, kept or None, options)
    elif key not in kept and 'strict' in options:
        raise Failed(f'"{key}" not found')
    else:
        output(answer, kept.get(key, ''), options)


def _state_set(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, options=('file',))
    pairs = key_values(words)
    if 'file' in options:
        pairs = {**read_settings(call, options['file']), **pairs}
    for key, value in pairs.items():
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
    """Return the pairs in a YAML file of strings; raise Failed."""
    try:
        pairs = yaml.load(call.read(file), yaml.BaseLoader)  # noqa: S506 (strings only)
    except yaml.YAMLError as error:
        raise Failed(f'yaml: {error}') from error
    if pairs in (None, ''):
        return {}
    if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
        raise Failed('yaml: unmarshal errors: cannot unmarshal into map[string]string')
    return pairs


TOOLS: dict[str, Tool] = {
    'state-delete': _state_delete,
    'state-get': _state_get,
    'state-set': _state_set,
}
