"""Units join, speak and leave, as charms of charms.reactive see it with their interfaces."""

import textwrap

import pytest

INTERFACE = 'layer:caas-base', 'layer:status', 'interface:mysql'
HANDLERS = """
from charmhelpers.core import hookenv
from charms.reactive import Endpoint, clear_flag, endpoint_from_name, when


@when('endpoint.db.joined')
def tell_joined():
    hookenv.log('joined: {}'.format(sorted(endpoint_from_name('db').all_joined_units.keys())))


@when('endpoint.db.departed')
def tell_departed():
    endpoint = endpoint_from_name('db')
    for name, unit in endpoint.all_departed_units.items():
        hookenv.log('departed: {} of {}'.format(name, unit.received_raw['host']))
    endpoint.all_departed_units.clear()
    clear_flag('endpoint.db.departed')
"""
ALL_SAID = {'host': 'a', 'port': '1', 'database': 'd', 'user': 'u', 'password': 'p'}


def _told(runs):
    messages = (message.removeprefix('db:0: ') for run in runs for _, message in run.log)
    return [message for message in messages if message[:4] in ('join', 'depa')]


@pytest.fixture
def subject(charms, live):
    return live(
        charms.make(
            reactive=textwrap.dedent(HANDLERS),
            includes=INTERFACE,
            metadata={'requires': {'db': {'interface': 'mysql'}}},
            layer=None,
        )
    )


def test_an_endpoint_knows_what_a_unit_said_that_departs(subject):
    subject.deploy()
    for number in range(2):
        subject.relate('db', f'mysql/{number}', {'host': f'h{number}'})
    assert _told(subject.depart('db', 'mysql/1')) == [
        "joined: ['mysql/0']",
        'departed: mysql/1 of h1',
    ]
    assert (
        _told(subject.relate('db', 'mysql/1', {'host': 'again'}))
        == ["joined: ['mysql/0', 'mysql/1']"] * 2
    )
    assert _told(subject.break_relation('db'))[-1] == 'departed: mysql/1 of again'
    assert 'endpoint.db.joined' not in subject.flags
    subject.relate('db', 'oracle/0', {'host': 'other'})
    assert 'endpoint.db.joined' in subject.flags


def test_an_endpoint_that_is_left_for_another_application_is_available_again(subject):
    subject.deploy()
    subject.relate('db', 'mysql/0', ALL_SAID)
    assert 'db.available' in subject.flags
    subject.break_relation('db')
    assert 'db.available' not in subject.flags
    subject.relate('db', 'mariadb/0', ALL_SAID)
    assert 'db.available' in subject.flags
