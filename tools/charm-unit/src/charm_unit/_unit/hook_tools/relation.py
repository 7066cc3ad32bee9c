"""relation-ids, relation-list, relation-get, relation-set, relation-model-get.

What may be read is in apiserver/facades/agent/uniter/uniter.go of juju/juju 2.9.31.
"""

import re
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
    output,
    pairs,
    parse,
)

_WHICH = ('r', 'relation')
_APPLICATION = re.compile('[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*')
_UNIT = re.compile(f'{_APPLICATION.pattern}/(?:0|[1-9][0-9]*)')
"""As names/v4 has them."""


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
    words, options = parse(call, valued=OUTPUT)
    name = words[0] if words else hook.relation.endpoint if hook.relation else ''
    if not name:
        raise Failed('no relation name specified', 2)
    check_empty(words[1:])
    ids = [rid for rid, known in hook.model.relations.items() if known.endpoint == name]
    output(answer, sorted(ids), options)


def _relation_list(hook: context.HookContext, call: Call, answer: Answer) -> None:
    flags = ('app',) if hook.juju.lists_remote_application else ()
    words, options = parse(call, flags, (*OUTPUT, *_WHICH))
    relation = _required(hook, options)
    check_empty(words)
    if 'app' in options:
        output(answer, relation.remote_application, options)
    else:
        output(answer, sorted(relation.members), options)


def _application(hook: context.HookContext) -> tuple[str, ...]:
    """Return the flag for the data of an application, if this Juju has such data."""
    return ('app',) if hook.juju.has_application_data else ()


def _whose(hook: context.HookContext, words: list[str], application: bool) -> tuple[str, bool]:
    """Return the unit or the application whose settings are asked for, and whether it is one."""
    if words:
        name = words.pop(0)
        if not application:
            return name, False
        if _UNIT.fullmatch(name):
            return name.partition('/')[0], True
        return (name if _APPLICATION.fullmatch(name) else ''), True
    remote = hook.relation.remote_application if hook.relation else ''
    if hook.remote_unit and not application:
        return hook.remote_unit, False
    if not hook.juju.has_application_data:
        raise Failed('no unit id specified', 2)
    if remote:
        return remote, True
    raise Failed('no unit or application specified', 2)


def _relation_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, _application(hook), (*OUTPUT, *_WHICH))
    relation = _required(hook, options)
    key = words.pop(0) if words else '-'
    name, application = _whose(hook, words, 'app' in options)
    check_empty(words)
    known = hook.model
    if name == known.unit or (name == known.application and known.leader):
        # As Juju: without --app, even a leader's application is its unit.
        own = hook.application_settings if application else hook.unit_settings
        settings = own(relation)
    else:
        settings = _remote_settings(hook, relation, name)
    output(answer, settings if key in ('-', '') else settings.get(key), options)


def _remote_settings(
    hook: context.HookContext, relation: model.Relation, name: str
) -> dict[str, str]:
    """Return the settings of a different unit or application; raise Failed if not permitted.

    Those of a unit can be read as long as the relation exists, even after it has departed.
    """
    application = name.partition('/')[0]
    if not (_UNIT.fullmatch(name) or _APPLICATION.fullmatch(name)):
        raise Failed(f'"{name}" is not a valid unit or application')
    if application != relation.remote_application:
        raise Failed('permission denied')
    if name == application:
        return relation.app_data if relation.is_peer else relation.remote_app_data
    known = {**relation.departed, **relation.units}
    if name not in known:
        requirer = f'{hook.model.application}:{relation.endpoint}'
        raise Failed(
            f'cannot read settings for unit "{name}" in relation "{requirer} '
            f'{application}:{relation.endpoint}": unit "{name}": settings not found'
        )
    return known[name]


def _relation_set(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, _application(hook), ('file', 'format', *_WHICH))
    relation = _required(hook, options)
    given = pairs(words)
    if 'format' in options:
        answer.stderr += '--format flag deprecated for command "relation-set"'
    if 'file' in options:
        given = {**read_settings(call, options['file']), **given}
    if 'app' in options:
        if not hook.model.leader:
            raise Failed('cannot write relation settings')
        settings = hook.application_settings(relation)
    else:
        settings = hook.unit_settings(relation)
    for key, value in given.items():
        if value:
            settings[key] = value
        else:
            settings.pop(key, None)


def _relation_model_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, valued=(*OUTPUT, *_WHICH))
    _required(hook, options)
    check_empty(words)
    output(answer, {'uuid': model.MODEL_UUID}, options)


TOOLS: dict[str, Tool] = {
    'relation-get': _relation_get,
    'relation-ids': _relation_ids,
    'relation-list': _relation_list,
    'relation-model-get': _relation_model_get,
    'relation-set': _relation_set,
}
