"""status-set, status-get, application-version-set, juju-log, add-metric."""

import json
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

_STATUSES = ('maintenance', 'blocked', 'waiting', 'active')
_SEVERITIES = ('unknown', 'terminated', 'active', 'maintenance', 'waiting', 'blocked', 'error')
"""From the least on, as core/status/status.go has them."""
_LEVELS = {
    **{name: name for name in ('TRACE', 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')},
    'WARN': 'WARNING',
}
"""As loggo names them, by what it takes for one."""


def _status_set(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, flags = parse(call, flags=('application',))
    if not words:
        raise Failed('invalid args, require <status> [message]', 2)
    if words[0] not in _STATUSES:
        raise Failed(f'invalid status "{words[0]}", expected one of [{" ".join(_STATUSES)}]', 2)
    check_empty(words[2:])
    status = (words[0], words[1] if len(words) > 1 else '')
    if flags:
        if not hook.model.leader:
            raise Failed('this unit is not the leader')
        hook.model.application_status = status
    else:
        hook.statuses.append(status)
        hook.model.status = status


def _status_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, ('include-data', 'application'), OUTPUT)
    check_empty(words)
    whole = 'include-data' in options

    def details(status: tuple[str, str]) -> dict[str, typing.Any]:
        told: dict[str, typing.Any] = {'status': status[0]}
        return {**told, 'message': status[1], 'status-data': {}} if whole else told

    smart = not whole and options.get('format', 'smart') == 'smart'
    if 'application' not in options:
        status = hook.model.status
        output(answer, status[0] if smart else details(status), options)
        return
    if not hook.model.leader:
        raise Failed('finding application status: this unit is not the leader')
    statuses = {hook.model.unit: hook.model.status, **hook.model.peer_statuses}
    # Unless the leader has set one, the worst of the units'.
    status = hook.model.application_status or max(
        statuses.values(), key=lambda known: _SEVERITIES.index(known[0])
    )
    units = {name: details(known) for name, known in statuses.items()}
    value = {'application-status': {**details(status), 'units': units}}
    output(answer, status[0] if smart else value, options)


def _application_version_set(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, _ = parse(call)
    if not words:
        raise Failed('no version specified', 2)
    check_empty(words[1:])
    hook.model.workload_version = words[0]


def _juju_log(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, flags=('debug',), valued=('l', 'log-level', 'format'))
    if not words:
        raise Failed('no message specified', 2)
    level = 'DEBUG' if 'debug' in options else options.get('l', options.get('log-level', 'INFO'))
    if level and level.upper() not in _LEVELS:
        shown = json.dumps(level)
        hook.log.append(('WARNING', f'Specified log level of {shown} is not valid'))
    prefix = f'{hook.relation.id}: ' if hook.relation else ''
    hook.log.append((_LEVELS.get(level.upper(), 'INFO'), prefix + ' '.join(words)))


def _add_metric(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, _ = parse(call, valued=('l', 'labels'))
    if not words:
        raise Failed('no metrics specified', 2)
    if hook.hook != 'collect-metrics':
        raise Failed('cannot record metric: metrics not allowed in this context')
    for word in words:
        key, equals, value = word.partition('=')
        if not (equals and key and value):
            raise Failed(f'invalid metrics: expected "key=value", got "{word}"', 2)
        hook.metrics[key] = value


TOOLS: dict[str, Tool] = {
    'add-metric': _add_metric,
    'application-version-set': _application_version_set,
    'juju-log': _juju_log,
    'status-get': _status_get,
    'status-set': _status_set,
}
