"""registry.Client.get_referrers: what refers to a manifest, as a registry lists it."""

import json

import pytest

from container_image import registry
from support.registry_case import DIGEST, failure_of, registry_that

PATH = f'/v2/team/app/referrers/{DIGEST}'


def listed(*names, **headers):
    """An answer with descriptors that have these digests."""
    content = json.dumps({'manifests': [{'digest': name} for name in names]}).encode()
    return lambda exchange: exchange.reply(200, content, **headers)


def referrers(host, **kwargs):
    with registry.Client(host, tries=1, **kwargs) as client:
        return client.get_referrers('team/app', DIGEST)


def test_descriptors_are_returned_as_they_are():
    with registry_that(listed('a', 'b')) as (host, asked):
        assert referrers(host) == [{'digest': 'a'}, {'digest': 'b'}]
    assert [path for _, path, _ in asked] == [PATH]


def test_a_long_list_is_read_page_by_page():
    pages = {
        PATH: listed('a', Link=f'<{PATH}?n=2>; rel="next"'),
        f'{PATH}?n=2': listed('b', Link='<?n=3>;rel=next'),
        f'{PATH}?n=3': listed('c'),
    }
    with registry_that(lambda exchange: pages[exchange.path](exchange)) as (host, _):
        assert [each['digest'] for each in referrers(host)] == ['a', 'b', 'c']


def test_a_list_without_an_end_is_given_up():
    with registry_that(listed('a', Link=f'<{PATH}>; rel="next"')) as (host, asked):
        assert len(referrers(host)) == len(asked) == 10


def test_a_list_does_not_lead_to_a_different_server():
    with registry_that(listed('elsewhere')) as (other, asked):
        answer = listed('a', Link=f'<http://{other}{PATH}>; rel="next"')
        with registry_that(answer) as (host, _):
            assert referrers(host) == [{'digest': 'a'}]
    assert asked == []


@pytest.mark.parametrize('status', [400, 404, 405, 501])
def test_a_registry_without_this_list_is_no_error(status):
    with registry_that(lambda exchange: exchange.reply(status)) as (host, _):
        assert referrers(host) is None


@pytest.mark.parametrize(
    'content', [b'', b'[]', b'{}', b'{"manifests": 1}', b'\xff', 100000 * b'[']
)
def test_a_list_of_a_different_form_is_an_error(content):
    with registry_that(lambda exchange: exchange.reply(200, content)) as (host, _):
        error = failure_of(referrers, host)
    assert isinstance(error, registry.ProtocolError)
    assert f'unexpected content instead of the referrers of {host}/team/app@' in str(error)


def test_who_may_not_read_it_gets_the_error_of_a_manifest():
    with registry_that(lambda exchange: exchange.reply(403)) as (host, _):
        assert isinstance(failure_of(referrers, host), registry.AccessDeniedError)
