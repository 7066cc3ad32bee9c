"""Where the registry client lets itself be sent, and what it takes along."""

import case
import pytest

from container_image import registry


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


@pytest.mark.parametrize(
    'location',
    ['http://storage.test/x', 'http://', 'file:///etc/passwd', 'https://[', '//:99999/'],
)
def test_a_redirect_never_leads_out_of_https(location, names):
    with case.registry_that(lambda exchange: exchange.reply(307, Location=location)) as (host, _):
        assert type(case.failure_of(case.ask, host)) is registry.Misbehaving
    assert 'storage.test' not in names


def test_a_redirect_s_own_body_is_not_read_to_its_end():
    def answer(exchange):
        exchange.wfile.write(b'HTTP/1.1 307 X\r\nLocation: /x\r\n\r\n')
        exchange.endless(b'x' * 65536)

    with case.registry_that(answer) as (host, _), registry.Client(host) as client:
        assert (
            type(case.failure_of(client.get_manifest, 'team/app', '1.0')) is registry.Misbehaving
        )


def test_redirects_without_end_end():
    def answer(exchange):
        exchange.reply(307, Location=exchange.path + '/again')

    with case.registry_that(answer) as (host, asked):
        assert type(case.failure_of(case.ask, host)) is registry.Misbehaving
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
    assert type(error) is registry.Misbehaving
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
    assert type(error) is registry.Misbehaving
    assert storage in str(error)
