"""relation-ids, relation-list, relation-get, relation-set."""

import typing

from charm_unit._unit import context, model
from charm_unit._unit.hook_tools.state import read_settings
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

_WHICH = ('r', 'relation')


def asked(hook: context.HookContext, options: typing.Mapping[str, str]) -> 'model.Relation | None':
    """Return the relation that the options name, or the hook's own; raise Failed."""
    for option in _WHICH:
        value = options.get(option)
        if value is None:
            continue
        shown = f'-{option}' if len(option) == 1 else f'--{option}'
        number = value.rpartition(':')[2]
        if not number.isdigit():
            raise Failed(f'invalid value "{value}" for option {shown}: invalid relation id', 2)
        for relation in hook.model.relations.values():
            if relation.number == int(number):
                return relation
        raise Failed(f'invalid value "{value}" for option {shown}: relation not found', 2)
    return hook.relation


def _required(hook: context.HookContext, options: typing.Mapping[str, str]) -> model.Relation:
    relation = asked(hook, options)
    if relation is None:
        raise Failed('no relation id specified', 2)
    return relation


def _relation_ids(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, options=OUTPUT)
    name = words[0] if words else hook.relation.endpoint if hook.relation else ''
    if not name:
        raise Failed('no relation name specified', 2)
    check_empty(words[1:])
    ids = [rid for rid, known in hook.model.relations.items() if known.endpoint == name]
    output(answer, sorted(ids), options)


def _relation_list(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, flags=('app',), options=(*OUTPUT, *_WHICH))
    relation = _required(hook, options)
    check_empty(words)
    if 'app' in options:
        output(answer, relation.remote_application, options)
    else:
        output(answer, sorted(relation.members), options)


def _whose(hook: context.HookContext, words: list[str], application: bool) -> tuple[str, bool]:
    """Return the unit or the application whose settings are asked for, and whether it is one."""
    if words:
        name = words.pop(0)
        return (name.partition('/')[0] if application else name), application
    remote = hook.relation.remote_application if hook.relation else ''
    if application and remote:
        return remote, True
    if hook.remote_unit and not application:
        return hook.remote_unit, False
    if remote and not application:
        return remote, True
    raise Failed('no unit or application specified', 2)


def _relation_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, flags=('app',), options=(*OUTPUT, *_WHICH))
    relation = _required(hook, options)
    key = words.pop(0) if words else '-'
    name, application = _whose(hook, words, 'app' in options)
    check_empty(words)
    known = hook.model
    if application and name == relation.remote_application:
        settings = relation.remote_app_data
    elif application and name == known.application:
        if not known.leader:
            raise Failed('permission denied')
        settings = hook.application_settings(relation)
    elif name == known.unit and not application:
        settings = hook.unit_settings(relation)
    elif name in relation.units and not application:
        settings = relation.units[name]
    elif not application and '/' not in name:
        raise Failed(f'"{name}" is not a valid unit name')
    else:
        raise Failed('permission denied')
    output(answer, settings if key in ('-', '') else settings.get(key), options)


def _relation_set(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, flags=('app',), options=('file', 'format', *_WHICH))
    relation = _required(hook, options)
    pairs = key_values(words)
    if 'format' in options:
        answer.stderr += '--format flag deprecated for command "relation-set"'
    if 'file' in options:
        pairs = {**read_settings(call, options['file']), **pairs}
    if 'app' in options:
        if not hook.model.leader:
            raise Failed('cannot write relation settings')
        settings = hook.application_settings(relation)
    else:
        settings = hook.unit_settings(relation)
    for key, value in pairs.items():
        if value:
            settings[key] = value
        else:
            settings.pop(key, None)


TOOLS: dict[str, Tool] = {
    'relation-get': _relation_get,
    'relation-ids': _relation_ids,
    'relation-list': _relation_list,
    'relation-set': _relation_set,
}
