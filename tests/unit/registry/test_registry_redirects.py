"""Where the registry client lets itself be sent, and what it takes along."""

import contextlib
import io

import pytest

from container_image import addresses, registry
from support import registry_case as case


@pytest.mark.parametrize('status', [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_but_the_credentials_stay_behind(status):
    with case.registry_that(case.has) as (storage, stored):

        def answer(exchange):
            if exchange.headers.get('Authorization'):
                location = f'http://{case.USERNAME}:x@{storage}/there?signature={case.SIGNATURE}'
                exchange.reply(status, Location=location)
            else:
                exchange.reply(401, WWW_Authenticate='Basic realm="x"')

        with case.registry_that(answer) as (host, _):
            assert case.ask(host, username=case.USERNAME, password=case.PASSWORD) == case.DIGEST
    assert stored == [('HEAD', f'/there?signature={case.SIGNATURE}', None)]


def test_a_redirect_on_the_same_host_keeps_the_credentials():
    def answer(exchange):
        if exchange.path == '/elsewhere' or not exchange.headers.get('Authorization'):
            case.wants_basic(exchange)
        else:
            exchange.reply(307, Location='/elsewhere')

    with case.registry_that(answer) as (host, _):
        assert case.ask(host, username=case.USERNAME, password=case.PASSWORD) == case.DIGEST


@pytest.mark.parametrize('status', [401, 403, 404])
def test_a_redirect_to_a_different_registry_says_to_use_its_name(status):
    with case.registry_that(lambda exchange: exchange.reply(status)) as (other, _):

        def answer(exchange):
            exchange.reply(301, Location=f'http://{other}{exchange.path}')

        with case.registry_that(answer) as (host, asked):
            error = case.failure_of(case.ask, host, tries=3)
    assert type(error) is registry.ProtocolError
    assert str(error) == (
        f'{other}, where {host} redirects, did not return {host}/team/app:1.0 (HTTP {status}): it '
        f'is a different registry, so use its name, {other}'
    )


def test_a_server_that_is_named_without_https_says_what_it_was_for_and_what_to_do():
    for answer, use in (
        (
            lambda x: x.reply(307, Location='http://storage.test/x?secret'),
            'redirects to an address',
        ),
        (
            lambda x: x.reply(401, WWW_Authenticate='Bearer realm="http://storage.test/token"'),
            'names a token server',
        ),
    ):
        with case.registry_that(answer) as (host, asked):
            error = case.failure_of(case.ask, host, tries=3)
        assert type(error) is registry.ProtocolError
        assert str(error) == (
            f'{host} {use} without HTTPS, storage.test: its administrator must configure '
            f'https:// (behind a proxy, with X-Forwarded-Proto)'
        )
        assert len(asked) == 1


@pytest.mark.parametrize(
    'location',
    ['http://storage.test/x', 'http://', 'file:///etc/passwd', 'https://[', '//:99999/'],
)
def test_a_redirect_never_leads_out_of_https(location, names):
    with case.registry_that(lambda exchange: exchange.reply(307, Location=location)) as (host, _):
        assert type(case.failure_of(case.ask, host)) is registry.ProtocolError
    assert 'storage.test' not in names


def test_a_redirect_s_own_body_is_not_read_to_its_end():
    def answer(exchange):
        exchange.wfile.write(b'HTTP/1.1 307 X\r\nLocation: /x\r\n\r\n')
        exchange.endless(b'x' * 65536)

    with case.registry_that(answer) as (host, _), registry.Client(host) as client:
        assert (
            type(case.failure_of(client.get_manifest, 'team/app', '1.0')) is registry.ProtocolError
        )


def test_redirects_without_end_end():
    def answer(exchange):
        exchange.reply(307, Location=exchange.path + '/again')

    with case.registry_that(answer) as (host, asked):
        assert type(case.failure_of(case.ask, host)) is registry.ProtocolError
    assert len(asked) < 10


@pytest.mark.parametrize('kind', ['Basic realm="x"', 'Bearer realm="{}/token",service="x"'])
def test_what_a_redirect_leads_to_is_told_no_credentials_though_it_asks_for_them(kind):
    with case.registry_that(lambda exchange: exchange.reply(200)) as (thief, stolen):
        challenge = kind.format(f'http://{thief}')

        def want(exchange):
            exchange.reply(401, WWW_Authenticate=challenge)

        with case.registry_that(want) as (storage, asked):

            def answer(exchange):
                exchange.reply(307, Location=f'http://{storage}/there')

            with case.registry_that(answer) as (host, _):
                error = case.failure_of(
                    case.ask, host, username=case.USERNAME, password=case.PASSWORD
                )
    assert type(error) is registry.ProtocolError
    assert stolen == []
    assert asked == [('HEAD', '/there', None)]


def test_what_a_redirect_leads_to_may_refuse_without_that_being_the_registry_s_word():
    with case.registry_that(lambda exchange: exchange.reply(403)) as (storage, _):
        location = f'http://{storage}/there?signature={case.SIGNATURE}'
        with case.registry_that(lambda exchange: exchange.reply(307, Location=location)) as (
            host,
            _,
        ):
            error = case.failure_of(case.ask, host)
    assert type(error) is registry.ProtocolError
    assert storage in str(error)


@contextlib.contextmanager
def elsewhere(answer, trusted):
    """Yield the host of a registry that is not on loopback, as far as the client can tell."""
    certificate = trusted.issue('registry.test')
    with case.registry_that(answer, certificate=certificate, name='registry.test') as (host, _):
        yield host


def realm(url):
    return lambda exchange: exchange.reply(401, WWW_Authenticate=f'Bearer realm="{url}/token"')


def location(url):
    return lambda exchange: exchange.reply(307, Location=f'{url}/admin')


def place_of_an_upload(url):
    return lambda exchange: exchange.reply(202, Location=f'{url}/admin')


@pytest.mark.parametrize('lure', [realm, location, place_of_an_upload])
@pytest.mark.parametrize('name', ['127.0.0.1', 'localhost', '127.9.9.9'])
def test_a_registry_elsewhere_leads_nobody_to_plain_http_on_the_unit_s_own_loopback(
    lure, name, trusted
):
    with case.registry_that(case.has) as (inside, asked):
        url = f'http://{name}:{inside.rpartition(":")[2]}'
        with elsewhere(lure(url), trusted) as host, registry.Client(host, tries=1) as client:
            error = case.failure_of(
                client.push_blob, 'team/app', case.DIGEST, 2, lambda: io.BytesIO(b'{}')
            )
    assert type(error) is registry.ProtocolError
    assert host in str(error)
    assert asked == []


def test_nor_does_a_token_server_or_storage_to_which_a_registry_on_loopback_leads(trusted):
    with case.registry_that(case.has) as (inside, asked):
        with elsewhere(location(f'http://{inside}'), trusted) as storage:
            for lure in (realm, location):
                with case.registry_that(lure(f'https://{storage}')) as (host, _):
                    assert type(case.failure_of(case.ask, host)) is registry.ProtocolError
    assert asked == []


def test_a_registry_on_loopback_may_have_its_tokens_and_storage_there_too():
    with case.registry_that(case.has) as (storage, stored):
        with case.registry_that(location(f'http://{storage}')) as (host, _):
            assert case.ask(host) == case.DIGEST
    assert len(stored) == 1


@pytest.mark.parametrize('lure', [realm, location, place_of_an_upload])
@pytest.mark.parametrize(
    'name',
    [
        '\x1b[2J',
        'a' * 30000,
        'a' * 64 + '.test',
        'a.' * 127 + 'test',
        'a..test',
        '-a.test',
        'a b',
        'a\\\\@b.test',
        'b\xfccher.test',
        '%41.test',
        '*.test',
        '[::g]',
        '[::1%25eth0]',
        '[::1]x',
        'a.test:0',
        'a.test:65536',
        'a.test:+80',
        ':443',
    ],
)
def test_an_address_that_only_the_registry_named_is_checked_and_its_fault(name, lure, names):
    with case.registry_that(lure('https://' + name)) as (host, _):
        del names[:]
        with registry.Client(host, tries=1) as client:
            error = case.failure_of(
                client.push_blob, 'team/app', case.DIGEST, 2, lambda: io.BytesIO(b'{}')
            )
    assert type(error) is registry.ProtocolError
    assert str(error) == f'{host} returned an invalid address: check that it is a registry'
    assert set(names) <= {'127.0.0.1'}


@pytest.mark.parametrize(
    ('address', 'is_one'),
    [
        ('a-b_c.test', True),
        ('a.test.', True),
        ('127.0.0.1:5000', True),
        ('[2001:db8::1]:5000', True),
        ('user:secret@a.test:1', True),
        ('a' * 63 + '.test:65535', True),
        ('', False),
        ('a.test/path', False),
        ('a.test?', False),
        ('[::1', False),
    ],
)
def test_an_address_is_a_name_or_an_ip_address_and_a_port(address, is_one):
    assert addresses.is_address(address) is is_one


@pytest.mark.parametrize('status', [301, 302, 303])
def test_an_upload_is_not_sent_on_by_what_would_make_a_get_of_it(status):
    with case.registry_that(case.has) as (storage, asked):

        def answer(exchange):
            exchange.reply(status, Location=f'http://{storage}/uploads')

        with case.registry_that(answer) as (host, _), registry.Client(host, tries=1) as client:
            error = case.failure_of(
                client.push_blob, 'team/app', case.DIGEST, 2, lambda: io.BytesIO(b'{}')
            )
    assert type(error) is registry.ProtocolError
    assert asked == []


@pytest.mark.parametrize(
    ('one', 'other', 'same'),
    [
        ('https://a.test/x', 'https://a.test:443/y', True),
        ('http://127.0.0.1/x', 'http://127.0.0.1:80/y', True),
        ('https://a.test/x', 'https://a.test:80/x', False),
        ('https://a.test/x', 'https://a.test:5000/x', False),
        ('https://a.test:80/x', 'http://a.test/x', False),
        ('https://a.test/x', 'https://b.test/x', False),
        ('https://A.test/x', 'https://a.test/x', True),
    ],
)
def test_credentials_are_for_one_scheme_host_and_port_and_a_default_port_is_one(one, other, same):
    assert (addresses.origin(one) == addresses.origin(other)) is same
