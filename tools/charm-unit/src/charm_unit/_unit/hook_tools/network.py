"""unit-get, network-get, open-port, close-port, opened-ports."""

import re
import typing

from charm_unit._unit import context, ports
from charm_unit._unit.hook_tools import relation
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

_PORTS = re.compile(r'(?:icmp|([0-9]+)(?:-([0-9]+))?(?:/([a-z0-9]+))?)')
_FORM = '<port>[/<protocol>] or <from>-<to>[/<protocol>] or icmp'


def _unit_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, valued=OUTPUT)
    if not words:
        raise Failed('no setting specified', 2)
    addresses = {
        'private-address': hook.model.address,
        'public-address': hook.model.ingress_address,
    }
    if words[0] not in addresses:
        raise Failed(f'unknown setting "{words[0]}"', 2)
    check_empty(words[1:])
    output(answer, addresses[words[0]], options)


def _network_get(hook: context.HookContext, call: Call, answer: Answer) -> None:
    keys = ('bind-address', 'ingress-address', 'egress-subnets')
    words, options = parse(
        call, flags=('primary-address', *keys), valued=(*OUTPUT, 'r', 'relation')
    )
    if not words:
        raise Failed('no arguments specified', 2)
    if not words[0]:
        raise Failed('no binding name specified', 2)
    check_empty(words[1:])
    relation.asked(hook, options)
    if words[0] not in hook.model.bindings:
        raise Failed(f'no network config found for binding "{words[0]}"')
    address, ingress = hook.model.address, hook.model.ingress_address
    values: dict[str, typing.Any] = {
        'bind-address': address,
        'ingress-address': ingress,
        'egress-subnets': [f'{ingress}/32'],
    }
    asked = [key for key in keys if key in options]
    if 'primary-address' in options:
        if asked:
            raise Failed('--primary-address must be the only flag specified')
        output(answer, address, options)
    elif len(asked) == 1:
        output(answer, values[asked[0]], options)
    elif asked:
        output(answer, {key: values[key] for key in asked}, options)
    else:
        output(answer, _everything(address, ingress, options), options, in_order=True)


def _everything(
    address: str, ingress: str, asked: typing.Mapping[str, str]
) -> dict[str, typing.Any]:
    """Return all that Juju knows; in YAML also by the keys that older agents had."""
    bound = {'hostname': '', 'value': address, 'cidr': ''}
    interface: dict[str, typing.Any] = {
        'mac-address': '',
        'interface-name': '',
        'addresses': [bound],
    }
    if asked.get('format') != 'json':
        bound['address'] = address
        interface |= {'macaddress': '', 'interfacename': ''}
    return {
        'bind-addresses': [interface],
        'egress-subnets': [f'{ingress}/32'],
        'ingress-addresses': [ingress],
    }


def _ports(hook: context.HookContext, call: Call, answer: Answer) -> tuple[ports.Range, list[str]]:
    """Return the ports that are asked for, and for which endpoints, '' for all."""
    by_endpoint = ('endpoints',) if hook.juju.has_ports_of_endpoints else ()
    words, asked = parse(call, valued=('format', *by_endpoint))
    if not words:
        raise Failed('no port or range specified', 2)
    match = _PORTS.fullmatch(words[0].lower())
    if not match:
        raise Failed(f'expected {_FORM}; got "{words[0]}"', 2)
    check_empty(words[1:])
    if asked.get('format'):
        answer.stderr += f'--format flag deprecated for command "{call.tool}"'
    endpoints = [name.strip() for name in asked.get('endpoints', '').split(',')]
    if match[0] == 'icmp':
        return ports.Range('icmp', -1, -1), endpoints
    first, last, protocol = int(match[1]), int(match[2] or match[1]), match[3] or 'tcp'
    if protocol == 'icmp':
        raise Failed(f'protocol "icmp" doesn\'t support any ports; got "{first}"', 2)
    if first > last:
        raise Failed(
            f'invalid port range {first}-{last}/{protocol}; expected fromPort <= toPort', 2
        )
    if not 1 <= first <= last <= 65535:
        wrong = first if not 1 <= first <= 65535 else last
        raise Failed(f'port must be in the range [1, 65535]; got "{wrong}"', 2)
    if protocol not in ('tcp', 'udp'):
        raise Failed(f'protocol must be "tcp", "udp", or "icmp"; got "{protocol}"', 2)
    return ports.Range(protocol, first, last), endpoints


def _open_port(hook: context.HookContext, call: Call, answer: Answer) -> None:
    wanted, endpoints = _ports(hook, call, answer)
    for endpoint in endpoints:
        _record(hook, 'open', hook.ports.open, endpoint, wanted)


def _close_port(hook: context.HookContext, call: Call, answer: Answer) -> None:
    wanted, endpoints = _ports(hook, call, answer)
    for endpoint in endpoints:
        _record(hook, 'close', hook.ports.close, endpoint, wanted)


def _record(
    hook: context.HookContext,
    verb: str,
    record: typing.Callable[[str, ports.Range], None],
    endpoint: str,
    wanted: ports.Range,
) -> None:
    try:
        record(endpoint, wanted)
    except ports.Conflict as conflict:
        name = f'(unit "{hook.model.unit}")'
        raise Failed(
            f'cannot {verb} {wanted} {name}: port range conflicts with {conflict.other} {name}'
            + (' requested earlier' if conflict.is_pending else '')
        ) from None


def _opened_ports(hook: context.HookContext, call: Call, answer: Answer) -> None:
    by_endpoint = ('endpoints',) if hook.juju.has_ports_of_endpoints else ()
    words, options = parse(call, flags=by_endpoint, valued=OUTPUT)
    check_empty(words)
    known = hook.model.opened_ports
    if hook.juju.lists_pending_ports:
        known = hook.ports.apply(hook.model.bindings)
    opened = ports.by_range(known)
    if 'endpoints' in options:
        listed = [
            f'{known} ({"*" if "" in endpoints else ", ".join(sorted(endpoints))})'
            for known, endpoints in opened.items()
        ]
    else:
        listed = [str(known) for known in opened]
    output(answer, listed, options)


TOOLS: dict[str, Tool] = {
    'close-port': _close_port,
    'network-get': _network_get,
    'open-port': _open_port,
    'opened-ports': _opened_ports,
    'unit-get': _unit_get,
}
