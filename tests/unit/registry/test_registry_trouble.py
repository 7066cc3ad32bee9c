"""What the registry client does when things break, are overloaded, or never end."""

import email.utils
import json
import socket
import time

import pytest
import urllib3.response

from container_image import _connection, registry
from support import registry_case as case


@pytest.mark.parametrize('status', [408, 429, 500, 502, 503, 504, 599])
def test_an_overloaded_registry_is_asked_again_with_longer_and_longer_waits(status, pauses):
    with case.registry_that(lambda exchange: exchange.reply(status)) as (host, asked):
        error = case.failure_of(case.ask, host, tries=4)
    assert type(error) is registry.OverloadedError
    assert str(status) in str(error)
    assert len(asked) == 4
    assert pauses == [0.5, 1, 2]


def errors(*codes):
    return json.dumps({'errors': [{'code': code, 'message': 'x'} for code in codes]}).encode()


def get(host, **kwargs):
    with registry.Client(host, **kwargs) as client:
        return client.get_manifest('team/app', '1.0')


@pytest.mark.parametrize(
    ('status', 'code'), [(500, 'MANIFEST_INVALID'), (503, 'DENIED'), (502, 'BLOB_UNKNOWN')]
)
def test_a_server_error_with_a_code_of_the_specification_is_not_retried(status, code, pauses):
    with case.registry_that(lambda exchange: exchange.reply(status, errors(code))) as (
        host,
        asked,
    ):
        error = case.failure_of(get, host)
    assert type(error) is registry.RejectedError
    assert f'HTTP {status}, {code}' in str(error)
    assert (error.status, error.codes) == (status, (code,))
    assert len(asked) == 1


@pytest.mark.parametrize(
    'content', [b'', b'{}', errors('UNKNOWN'), errors('UNAVAILABLE'), errors('TOOMANYREQUESTS')]
)
def test_a_server_error_without_one_is_retried(content, pauses):
    with case.registry_that(lambda exchange: exchange.reply(503, content)) as (host, asked):
        assert type(case.failure_of(get, host, tries=3)) is registry.OverloadedError
    assert len(asked) == 3


def test_a_server_error_for_a_missing_blob_says_so_and_is_retried():
    answers = [500, 201]

    def answer(exchange):
        exchange.reply(answers.pop(0), errors('MANIFEST_BLOB_UNKNOWN'))

    with case.registry_that(answer) as (host, _), registry.Client(host) as client:
        client.put_manifest('team/app', '1.0', case.MANIFEST, case.TYPE)
    assert answers == []


@pytest.mark.parametrize(
    ('login', 'end'),
    [
        ({}, ' (HTTP 429): add username and password to raise the limit'),
        ({'advice': registry.Advice(login='log in')}, ' (HTTP 429): log in to raise the limit'),
        ({'username': 'me', 'password': case.PASSWORD}, ' of this account (HTTP 429)'),
    ],
)
def test_docker_hub_s_limit_is_said_to_be_higher_with_a_login_and_is_not_retried(
    login, end, monkeypatch
):
    with case.registry_that(lambda exchange: exchange.reply(429, errors('TOOMANYREQUESTS'))) as (
        host,
        asked,
    ):
        monkeypatch.setattr(_connection, '_HUB', host)
        error = case.failure_of(get, host, **login)
    assert type(error) is registry.OverloadedError
    assert str(error) == f'the registry {host} is rate-limiting requests{end}'
    assert error.codes == ('TOOMANYREQUESTS',)
    assert len(asked) == 1


def test_docker_hub_is_asked_again_if_it_says_when(monkeypatch, pauses):
    answers = [lambda exchange: exchange.reply(429, Retry_After='7'), case.has]
    with case.registry_that(lambda exchange: answers.pop(0)(exchange)) as (host, _):
        monkeypatch.setattr(_connection, '_HUB', host)
        assert get(host).digest == case.DIGEST
    assert pauses == [7]


def test_an_overloaded_token_server_is_asked_again():
    with case.token_registry(status=503) as (host, _, tokens_asked):
        assert type(case.failure_of(case.ask, host, tries=2)) is registry.OverloadedError
    assert len(tokens_asked) == 2


def test_trouble_that_passes_is_not_seen():
    answers = [lambda exchange: exchange.reply(500), lambda exchange: case.cut(exchange), case.has]
    with case.registry_that(lambda exchange: answers.pop(0)(exchange)) as (host, _):
        assert case.ask(host, tries=3) == case.DIGEST


@pytest.mark.parametrize(
    ('value', 'least', 'most'),
    [
        ('7', 7, 7),
        (lambda: email.utils.formatdate(time.time() + 60, usegmt=True), 50, 60),
        (lambda: email.utils.formatdate(time.time() - 60, usegmt=True), 0, 0),
        ('soon', 0.5, 0.5),
        ('', 0.5, 0.5),
        ('-5', 0.5, 0.5),
        ('Mon, 99 Foo 2020', 0.5, 0.5),
    ],
)
def test_retry_after_says_how_long_to_wait_in_seconds_or_as_a_date(value, least, most, pauses):
    value = value() if callable(value) else value

    def answer(exchange):
        if pauses:
            case.has(exchange)
        else:
            exchange.reply(429, Retry_After=value)

    with case.registry_that(answer) as (host, _):
        assert case.ask(host, tries=2) == case.DIGEST
    assert least <= pauses[0] <= most


@pytest.mark.parametrize(('wait', 'limit'), [('20', 10), ('99999', None), ('999999999999', None)])
def test_a_registry_that_wants_too_long_a_wait_is_not_waited_for(wait, limit, pauses):
    with case.registry_that(lambda exchange: exchange.reply(429, Retry_After=wait)) as (
        host,
        asked,
    ):
        error = case.failure_of(case.ask, host, tries=2, limit=limit)
    assert type(error) is registry.OverloadedError
    assert (len(pauses), len(asked)) == (0, 1)


@pytest.mark.parametrize(
    'before',
    [
        b'',
        b'HTTP/1.1 20',
        b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
        b'nonsense\r\n\r\n',
        b'HTTP/9.9 abc def\r\n\r\n',
        b'\x00\xff' * 100,
        b'x' * 70000,
        b'HTTP/1.1 200 OK\r\n' + b'X: y\r\n' * 200 + b'\r\n',
        b'HTTP/1.1 200 OK\r\nX: ' + b'y' * 70000 + b'\r\n\r\n',
    ],
)
def test_a_connection_that_breaks_or_talks_nonsense_is_not_reachable(before):
    with case.registry_that(lambda exchange: case.cut(exchange, before)) as (host, _):
        with registry.Client(host, tries=1) as client:
            error = case.failure_of(client.get_manifest, 'team/app', '1.0')
    assert type(error) is registry.NotReachableError
    assert host in str(error)


def test_a_port_where_nobody_listens_is_not_reachable():
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        host = f'127.0.0.1:{unused.getsockname()[1]}'
        error = case.failure_of(case.ask, host)
    assert type(error) is registry.NotReachableError
    assert f'the registry {host} refused the connection' in str(error)


def test_a_server_that_a_registry_uses_is_told_from_the_registry():
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        other = f'127.0.0.1:{unused.getsockname()[1]}'

        def answer(exchange):
            exchange.reply(307, Location=f'http://{other}/blob')

        with case.registry_that(answer) as (host, _):
            error = case.failure_of(case.ask, host)
    assert type(error) is registry.NotReachableError
    assert f'{other} (used by the registry {host}) refused the connection' in str(error)


def test_a_server_that_accepts_and_says_nothing_is_not_reachable():
    with socket.socket() as silent:
        silent.bind(('127.0.0.1', 0))
        silent.listen(1)
        error = case.failure_of(
            case.ask, f'127.0.0.1:{silent.getsockname()[1]}', timeouts=(0.2, 0.2)
        )
    assert type(error) is registry.NotReachableError
    assert 'in time' in str(error)


def test_a_name_that_dns_does_not_know_is_named_so():
    error = case.failure_of(case.ask, 'registry.invalid:5000')
    assert type(error) is registry.NotResolvedError
    assert 'registry.invalid:5000' in str(error)


@pytest.mark.parametrize(
    'host', ['host.test:99999', '[:::]', '[::1', f'{"a" * 64}.test', 'a..test']
)
def test_what_is_no_address_is_refused(host):
    assert type(case.failure_of(case.ask, host)) is registry.RejectedError


@pytest.mark.parametrize('kind', ['text/html', 'text/html; charset=utf-8', 'image/png', ''])
def test_something_else_than_a_manifest_is_named_so(kind):
    def answer(exchange):
        exchange.reply(200, b'<html>Sign in</html>', Content_Type=kind)

    with case.registry_that(answer) as (host, _):
        error = case.failure_of(case.ask, host)
    assert type(error) is registry.ProtocolError
    assert ('a web page' in str(error)) == kind.startswith('text/html')


@pytest.mark.parametrize(
    'framing', ['Transfer-Encoding: chunked', 'X: y', f'Content-Length: {1 << 40}']
)
def test_a_body_without_end_is_not_read_to_its_end(framing):
    def answer(exchange):
        head = f'HTTP/1.1 200 OK\r\nContent-Type: {case.TYPE}\r\n{framing}\r\n\r\n'
        exchange.wfile.write(head.encode())
        if exchange.command != 'HEAD':
            size = b'10000\r\n' if 'chunked' in framing else b''
            exchange.endless(size + b'x' * 65536 + (b'\r\n' if size else b''))

    with case.registry_that(answer) as (host, _):
        error = case.failure_of(case.ask, host)
    assert type(error) is registry.ProtocolError


@pytest.mark.parametrize('coding', ['gzip', 'aws-chunked, gzip', 'gzip,aws-chunked', 'br'])
def test_a_body_that_grows_when_it_is_unpacked_is_not_unpacked(coding):
    def answer(exchange):
        exchange.reply(200, b'', Content_Type=case.TYPE, Content_Encoding=coding)

    with case.registry_that(answer) as (host, _):
        assert type(case.failure_of(case.ask, host)) is registry.ProtocolError


def test_no_cookie_comes_back():
    cookies = []

    def answer(exchange):
        cookies.append(exchange.headers.get('Cookie'))
        case.has(exchange, Set_Cookie='session=1; Path=/')

    with case.registry_that(answer) as (host, _), registry.Client(host) as client:
        client.head_manifest('team/app', '1.0')
        client.head_manifest('team/app', '1.0')
    assert cookies == [None, None]


def test_an_answer_that_breaks_off_is_noticed_where_urllib3_does_not_notice_it(monkeypatch):
    init = urllib3.response.HTTPResponse.__init__

    def careless(self, *args, **kwargs):  # as urllib3 1 is
        init(self, *args, **dict(kwargs, enforce_content_length=False))

    monkeypatch.setattr(urllib3.response.HTTPResponse, '__init__', careless)
    head = f'HTTP/1.1 200 OK\r\nContent-Type: {case.TYPE}\r\nContent-Length: 500\r\n\r\n'
    with case.registry_that(
        lambda exchange: case.cut(exchange, head.encode() + case.MANIFEST)
    ) as (host, _), registry.Client(host, tries=1) as client:
        error = case.failure_of(client.get_manifest, 'team/app', '1.0')
    assert type(error) is registry.NotReachableError
    assert 'closed the connection' in str(error)


def test_a_proxy_that_is_in_between_and_wants_credentials_is_told_from_the_registry():
    with case.registry_that(
        lambda exchange: exchange.reply(407, Proxy_Authenticate='Basic realm="x"')
    ) as (host, _):
        error = case.failure_of(case.ask, host, username=case.USERNAME, password=case.PASSWORD)
    assert type(error) is registry.NotReachableError
    assert 'the proxy requires valid credentials' in str(error)
