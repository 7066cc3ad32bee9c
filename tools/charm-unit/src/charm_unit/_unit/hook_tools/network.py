"""unit-get, network-get, open-port, close-port, opened-ports."""

import re
import typing

from charm_unit._unit import context
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
    words, options = parse(call, options=OUTPUT)
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
        call, flags=('primary-address', *keys), options=(*OUTPUT, 'r', 'relation')
    )
    if not words:
        raise Failed('no arguments specified', 2)
    if not words[0]:
        raise Failed('no binding name specified', 2)
    check_empty(words[1:])
    relation.asked(hook, options)
    if words[0] not in hook.model.endpoints:
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
        bound = {'hostname': '', 'value': address, 'address': address, 'cidr': ''}
        interface = {'mac-address': '', 'interface-name': '', 'addresses': [bound]}
        whole = {
            'bind-addresses': [interface],
            'egress-subnets': [f'{ingress}/32'],
            'ingress-addresses': [ingress],
        }
        output(answer, whole, options)


def _ports(call: Call) -> str:
    words, _ = parse(call, options=('format', 'endpoints'))
    if not words:
        raise Failed('no port or range specified', 2)
    match = _PORTS.fullmatch(words[0].lower())
    if not match:
        raise Failed(f'expected {_FORM}; got "{words[0]}"', 2)
    check_empty(words[1:])
    if match[0] == 'icmp':
        return 'icmp'
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
    return f'{first}/{protocol}' if first == last else f'{first}-{last}/{protocol}'


def _open_port(hook: context.HookContext, call: Call, answer: Answer) -> None:
    hook.ports[_ports(call)] = True


def _close_port(hook: context.HookContext, call: Call, answer: Answer) -> None:
    hook.ports[_ports(call)] = False


def _opened_ports(hook: context.HookContext, call: Call, answer: Answer) -> None:
    words, options = parse(call, flags=('endpoints',), options=OUTPUT)
    check_empty(words)
    output(answer, sorted(hook.model.ports), options)


TOOLS: dict[str, Tool] = {
    'close-port': _close_port,
    'network-get': _network_get,
    'open-port': _open_port,
    'opened-ports': _opened_ports,
    'unit-get': _unit_get,
}
