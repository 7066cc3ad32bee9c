"""action-get, action-set, action-fail, action-log."""

import re
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

_RESERVED = ('stdout', 'stdout-encoding', 'stderr', 'stderr-encoding')
_KEY = re.compile(r'[a-z0-9](?:[a-z0-9-]*[a-z0-9])?')


def _running(hook: context.HookContext) -> context.Action:
    if hook.action is None:
        raise Failed('not running an action')
    return hook.action


def _action_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, valued=OUTPUT)
    check_empty(words[1:])
    value: typing.Any = _running(hook).parameters
    for key in words[0].split('.') if words else ():
        value = value.get(key) if isinstance(value, dict) else None
    output(answer, value, options)


def _action_set(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, _ = parse(call)
    pairs = []
    for word in words:
        path, equals, value = word.partition('=')
        if not equals:
            raise Failed(f'argument "{word}" must be of the form key...=value', 2)
        keys = path.split('.')
        for key in keys:
            if not _KEY.fullmatch(key):
                raise Failed(
                    f'key "{key}" must start and end with lowercase alphanumeric, and contain '
                    'only lowercase alphanumeric, hyphens and periods',
                    2,
                )
            if key in _RESERVED:
                raise Failed(f'cannot set reserved action key "{key}"', 2)
        pairs.append((keys, value))
    for keys, value in pairs:
        results = _running(hook).results
        for key in keys[:-1]:
            inner = results.get(key)
            if not isinstance(inner, dict):
                inner = results[key] = {}
            results = inner
        results[keys[-1]] = value


def _action_fail(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, _ = parse(call)
    check_empty(words[1:])
    action = _running(hook)
    action.message = (
        words[0] if words else 'action failed without reason given, check action for errors'
    )
    action.failed = True


def _action_log(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, _ = parse(call)
    if not words:
        raise Failed('no message specified', 2)
    _running(hook).log.append(' '.join(words))


TOOLS: dict[str, Tool] = {
    'action-fail': _action_fail,
    'action-get': _action_get,
    'action-log': _action_log,
    'action-set': _action_set,
}
