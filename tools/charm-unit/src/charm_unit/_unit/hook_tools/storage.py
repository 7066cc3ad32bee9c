"""storage-list, storage-get: what is attached to the unit."""

import re

from charm_unit._unit import context, model
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

_ID = re.compile('[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*/[0-9]+')


def _storage_list(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, valued=OUTPUT)
    check_empty(words[1:])
    ids = sorted(hook.model.storage)
    if words and words[0]:
        ids = [known for known in ids if known.partition('/')[0] == words[0]]
    output(answer, ids, options)


def _storage_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, valued=(*OUTPUT, 's'))
    storage = _asked(hook, options.get('s'))
    check_empty(words[1:])
    values = {'kind': storage.kind, 'location': str(storage.location)}
    if words and words[0]:
        if words[0] not in values:
            raise Failed(f'invalid storage attribute "{words[0]}"')
        output(answer, values[words[0]], options)
    else:
        output(answer, values, options)


def _asked(hook: context.HookContext, name: 'str | None') -> model.Storage:
    if name is None:
        if hook.storage is None:
            raise Failed('no storage instance specified', 2)
        return hook.storage
    if not _ID.fullmatch(name):
        raise Failed(f'invalid value "{name}" for option -s: invalid storage ID "{name}"', 2)
    if name not in hook.model.storage:
        raise Failed(f'invalid value "{name}" for option -s: storage not found', 2)
    return hook.model.storage[name]


TOOLS: dict[str, Tool] = {
    'storage-get': _storage_get,
    'storage-list': _storage_list,
}
