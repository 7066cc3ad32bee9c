"""TLS and proxies of the registry client."""

import base64
import contextlib
import hashlib
import pathlib
import re
import socket
import ssl
import sys
import threading

import pytest

from container_image import registry
from support import loopback
from support import registry_case as case


def test_a_registry_elsewhere_than_on_loopback_is_asked_over_https(trusted):
    with case.registry_that(
        case.has, certificate=trusted.issue('registry.test'), name='registry.test'
    ) as (
        host,
        _,
    ):
        assert case.ask(host) == case.DIGEST


def test_a_registry_on_loopback_may_speak_tls(trusted):
    with case.registry_that(case.has, certificate=trusted.issue('127.0.0.1')) as (host, _):
        assert case.ask(host, tries=2) == case.DIGEST


def test_a_registry_elsewhere_that_speaks_plain_http_is_told_so_and_not_asked_again(pauses):
    advice = registry.Advice(https='pull it with an engine')
    with case.registry_that(case.has, name='registry.test') as (host, asked):
        error = case.failure_of(case.ask, host, tries=3, advice=advice)
    assert type(error) is registry.ProtocolError
    assert str(error) == (
        f'the registry {host} gave an HTTP response to an HTTPS request: check the port, or pull '
        f'it with an engine'
    )
    assert asked == pauses == []


@pytest.mark.parametrize('name', ['127.0.0.1', 'registry.test'])
@pytest.mark.parametrize(
    ('hosts', 'days', 'bundle', 'reason'),
    [
        (['127.0.0.1', 'registry.test'], 1, None, 'get local issuer|self.signed'),
        (['127.0.0.1', 'registry.test'], -1, 'authority', 'expired'),
        (['other.test'], 1, 'authority', 'different host|mismatch'),
        (['127.0.0.1', 'registry.test'], 1, 'garbage', 'cannot be read'),
        (['127.0.0.1', 'registry.test'], 1, 'absent', 'does not exist'),
    ],
)
def test_a_certificate_that_is_not_trusted_is_named_so(
    name, hosts, days, bundle, reason, authority, monkeypatch, tmp_path
):
    if bundle:
        garbage = tmp_path / 'garbage'
        garbage.write_text('no certificate')
        path = {'authority': authority.certificate, 'garbage': garbage}.get(
            bundle, '/nowhere\x1b[2J'
        )
        monkeypatch.setenv('REQUESTS_CA_BUNDLE', str(path))
    certificate = authority.issue(*hosts, days=days)
    with case.registry_that(case.has, certificate=certificate, name=name) as (host, asked):
        error = case.failure_of(
            case.ask, host, username=case.USERNAME, password=case.PASSWORD, tries=2
        )
    assert type(error) is registry.CertificateNotTrustedError
    assert re.search(reason if sys.version_info >= (3, 7) else f'{reason}|or expired', str(error))
    assert asked == []


@contextlib.contextmanager
def registry_of(authority):
    """Yield the host of a registry with a certificate of the authority."""
    certificate = authority.issue('registry.test')
    with case.registry_that(case.has, certificate=certificate, name='registry.test') as (host, _):
        yield host


def trusting(*paths):
    return {'certificates': registry.Certificates(tuple(map(str, paths)))}


@pytest.fixture(scope='module')
def other_authority(authority, tmp_path_factory):
    directory = pathlib.Path(str(tmp_path_factory.mktemp('other')))
    return type(authority)(directory, 'other')


def test_the_authorities_of_the_system_are_trusted(authority, monkeypatch):
    with registry_of(authority) as host:
        monkeypatch.setenv('SSL_CERT_FILE', str(authority.certificate))
        assert case.ask(host) == case.DIGEST


def put_where_openssl_looks(authority, directory):
    """Name the file by a hash of the authority's name, as `openssl rehash` does."""
    name = authority.x509.subject.public_bytes()[2:]  # without the header of its sequence
    number = int.from_bytes(hashlib.sha1(name).digest()[:4], 'little')
    (directory / f'{number:08x}.0').write_bytes(authority.certificate.read_bytes())


def test_of_the_system_s_authorities_only_the_one_is_read_that_is_needed(
    authority, monkeypatch, tmp_path
):
    put_where_openssl_looks(authority, tmp_path)
    monkeypatch.setenv('SSL_CERT_DIR', str(tmp_path))
    monkeypatch.delattr(ssl.SSLContext, 'load_default_certs')
    with registry_of(authority) as host:
        assert case.ask(host) == case.DIGEST


def test_the_other_authorities_are_read_for_a_server_that_needs_them(
    authority, other_authority, monkeypatch, tmp_path
):
    put_where_openssl_looks(other_authority, tmp_path)
    monkeypatch.setenv('SSL_CERT_DIR', str(tmp_path))
    bodies = []

    def answer(exchange):
        bodies.append(exchange.body())
        exchange.reply(201)

    certificate = authority.issue('registry.test')
    with case.registry_that(answer, certificate=certificate, name='registry.test') as (host, _):
        with registry.Client(host, tries=1) as client:
            error = case.failure_of(
                client.put_manifest, 'team/app', '1.0', case.MANIFEST, case.TYPE
            )
            assert type(error) is registry.CertificateNotTrustedError
        monkeypatch.setenv('SSL_CERT_FILE', str(authority.certificate))
        with registry.Client(host, tries=1) as client:
            client.put_manifest('team/app', '1.0', case.MANIFEST, case.TYPE)
    assert bodies == [case.MANIFEST]


def test_a_bundle_in_the_environment_replaces_those_of_the_system(
    authority, other_authority, monkeypatch
):
    monkeypatch.setenv('SSL_CERT_FILE', str(authority.certificate))
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', str(other_authority.certificate))
    with registry_of(authority) as host:
        error = case.failure_of(case.ask, host)
    assert type(error) is registry.CertificateNotTrustedError
    with registry_of(other_authority) as host:
        assert case.ask(host) == case.DIGEST


@pytest.mark.parametrize('bundle', [True, False])
def test_authorities_of_the_caller_are_trusted_too(
    bundle, authority, other_authority, monkeypatch, tmp_path
):
    if bundle:
        monkeypatch.setenv('REQUESTS_CA_BUNDLE', str(other_authority.certificate))
    garbage = tmp_path / 'readme.crt'
    garbage.write_text('no certificate')
    with registry_of(authority) as host:
        assert type(case.failure_of(case.ask, host)) is registry.CertificateNotTrustedError
        assert case.ask(host, **trusting(garbage, authority.certificate)) == case.DIGEST
        error = case.failure_of(case.ask, host, **trusting(tmp_path / 'absent.crt'))
    assert type(error) is registry.CertificateNotTrustedError
    assert 'absent.crt cannot be read' in str(error)


def test_an_authority_need_not_have_what_docker_and_skopeo_do_not_ask_for(authority, tmp_path):
    plain = type(authority)(tmp_path, plain=True)
    with registry_of(plain) as host:
        assert case.ask(host, **trusting(plain.certificate)) == case.DIGEST


def test_a_certificate_may_be_trusted_without_its_authority(authority):
    certificate = authority.issue('registry.test')
    with case.registry_that(case.has, certificate=certificate, name='registry.test') as (host, _):
        assert case.ask(host, **trusting(certificate.certificate)) == case.DIGEST


def test_a_client_certificate_that_cannot_be_used_is_named(authority, other_authority):
    files = (str(authority.certificate), str(other_authority.key))
    with registry_of(authority) as host:
        error = case.failure_of(
            case.ask, host, certificates=registry.Certificates(client=files), tries=3
        )
    assert type(error) is registry.CertificateNotTrustedError
    assert all(file in str(error) for file in files)


def test_authorities_are_read_once_for_all_connections(authority, monkeypatch):
    reads = []
    load = ssl.SSLContext.load_verify_locations

    def counted(context, *args, **kwargs):
        reads.append(args)
        return load(context, *args, **kwargs)

    monkeypatch.setattr(ssl.SSLContext, 'load_verify_locations', counted)
    with registry_of(authority) as host:
        for _ in range(3):
            assert case.ask(host, **trusting(authority.certificate)) == case.DIGEST
    assert reads.count((str(authority.certificate),)) <= 1


@contextlib.contextmanager
def proxy_to(target, certificate=None, logins=None):
    """Yield the URL of a proxy, with a password, that leads to `target`, and what it was asked."""
    asked = []

    def answer(exchange):
        asked.append((exchange.command, exchange.path))
        if logins is not None:
            logins.append(exchange.headers.get('Proxy-Authorization'))
        if not target:
            exchange.reply(403)
            return
        name, _, port = target.partition(':')
        exchange.wfile.write(b'HTTP/1.1 200 Connected\r\n\r\n')
        exchange.close_connection = True
        with socket.create_connection(('127.0.0.1', int(port))) as there:

            def copy(source, sink):
                with contextlib.suppress(OSError):
                    for block in iter(lambda: source.recv(65536), b''):
                        sink.sendall(block)
                    sink.shutdown(socket.SHUT_RDWR)

            back = threading.Thread(target=copy, args=(there, exchange.connection), daemon=True)
            back.start()
            copy(exchange.connection, there)
            back.join()

    with loopback.serving(answer, certificate) as url:
        yield url.replace('//', '//me:hunter2%2F@'), asked


@pytest.mark.parametrize('given', [True, False])
def test_a_registry_is_asked_through_the_proxy_of_the_caller_or_else_the_environment(
    given, trusted, monkeypatch
):
    certificate = trusted.issue('registry.example')  # not a name that leads anywhere by itself
    with case.registry_that(case.has, certificate=certificate, name='registry.example') as (
        host,
        _,
    ):
        with proxy_to(host) as (proxy, asked):
            monkeypatch.setenv('HTTPS_PROXY', 'http://127.0.0.1:1' if given else proxy)
            assert case.ask(host, proxies={'https': proxy} if given else None) == case.DIGEST
    assert asked == [('CONNECT', host)]


@pytest.mark.parametrize('has_tls', [True, False])
def test_a_proxy_may_speak_tls_and_gets_the_login_in_its_url(has_tls, trusted):
    certificate = trusted.issue('registry.example')
    logins = []
    with case.registry_that(case.has, certificate=certificate, name='registry.example') as (
        host,
        _,
    ):
        of_proxy = trusted.issue('127.0.0.1') if has_tls else None
        with proxy_to(host, of_proxy, logins) as (proxy, _):
            assert case.ask(host, proxies={'https': proxy}) == case.DIGEST
    assert logins == ['Basic ' + base64.b64encode(b'me:hunter2/').decode()]


@pytest.mark.parametrize('before', ['', '//'])
def test_a_proxy_needs_no_scheme(trusted, before):
    certificate = trusted.issue('registry.example')
    with case.registry_that(case.has, certificate=certificate, name='registry.example') as (
        host,
        _,
    ):
        with proxy_to(host) as (proxy, asked):
            assert (
                case.ask(host, proxies={'all': before + proxy.partition('//')[2]}) == case.DIGEST
            )
    assert asked == [('CONNECT', host)]


@pytest.mark.parametrize('scheme', ['socks5', 'SOCKS5h', 'socks4', 'ftp'])
def test_a_proxy_whose_protocol_is_not_spoken_here_is_to_be_checked(scheme, monkeypatch, recwarn):
    monkeypatch.setitem(sys.modules, 'socks', None)  # as without PySocks
    error = case.failure_of(
        case.ask, 'registry.test', proxies={'https': f'{scheme}://me:hunter2@127.0.0.1:1'}
    )
    assert type(error) is registry.NotReachableError
    assert str(error) == (
        'the registry registry.test (through the proxy 127.0.0.1:1) cannot be reached: check the '
        'proxy'
    )
    assert not recwarn


@pytest.mark.parametrize(
    'no_proxy',
    [
        'registry.test',
        '.test',
        '*',
        'a,registry.test:443',
        'x, test',
        'a b registry.test',
        '*.test',
    ],
)
@pytest.mark.parametrize('given', [True, False])
def test_no_proxy_is_asked_for_a_host_that_is_to_be_asked_directly(no_proxy, given, monkeypatch):
    with proxy_to('') as (proxy, asked):
        proxies = {'https': proxy, 'no_proxy': no_proxy}
        if not given:
            proxies = {}
            monkeypatch.setenv('https_proxy', proxy)
            monkeypatch.setenv('no_proxy', no_proxy)
        error = case.failure_of(case.ask, 'registry.test:443', proxies=proxies)
    assert type(error) is registry.NotReachableError
    assert 'proxy' not in str(error)
    assert asked == []


@pytest.mark.parametrize('no_proxy', ['', 'other.test', 'egistry.test', '10.0.0.0/8', ','])
def test_a_proxy_is_asked_for_any_other_host(no_proxy, monkeypatch):
    with proxy_to('') as (proxy, asked):
        error = case.failure_of(
            case.ask, 'registry.test', proxies={'https': proxy, 'no_proxy': no_proxy}
        )
    assert type(error) is registry.NotReachableError
    assert 'proxy 127.0.0.1:' in str(error)
    assert asked == [('CONNECT', 'registry.test:443')]


def test_an_address_may_be_exempted_with_its_network():
    with proxy_to('') as (proxy, asked):
        proxies = {'https': proxy, 'no_proxy': '192.0.2.0/24'}
        error = case.failure_of(case.ask, '192.0.2.1', proxies=proxies, timeouts=(0.1, 0.1))
    assert type(error) is registry.NotReachableError
    assert asked == []


@pytest.mark.parametrize(
    'proxy',
    ['http://me:hunter2/@proxy.invalid:3128', 'me:hunter2@proxy.invalid', 'http://me:hunter2@'],
)
def test_a_proxy_that_is_not_there_is_named_without_its_password(proxy):
    error = case.failure_of(case.ask, 'registry.test', proxies={'https': proxy})
    assert isinstance(error, registry.UnavailableError)
    assert '(through the proxy ' in str(error)


@pytest.mark.parametrize('proxy', ['http://me:hunter2@', 'http://a b:3128'])
def test_a_proxy_whose_address_is_invalid_is_to_be_checked(proxy):
    error = case.failure_of(case.ask, 'registry.test', proxies={'https': proxy})
    assert type(error) is registry.NotReachableError
    assert 'check the proxy' in str(error)


def test_a_proxy_that_wants_other_credentials_is_named_so():
    with loopback.serving(lambda exchange: exchange.reply(407)) as url:
        proxy = url.replace('//', '//me:hunter2@')
        error = case.failure_of(case.ask, 'registry.test', proxies={'https': proxy})
    assert type(error) is registry.NotReachableError
    assert 'requires valid credentials' in str(error)


@pytest.mark.parametrize('name', ['127.0.0.1', 'localhost', '127.9.9.9'])
def test_a_registry_on_loopback_is_never_asked_through_a_proxy(name):
    if name == '127.9.9.9' and sys.platform != 'linux':
        pytest.skip('only 127.0.0.1 is there')
    with proxy_to('') as (proxy, asked), case.registry_that(case.has) as (host, _):
        port = host.partition(':')[2]
        proxies = {'http': proxy, 'https': proxy, 'all': proxy}
        if name == '127.9.9.9':
            assert type(case.failure_of(case.ask, f'{name}:{port}', proxies=proxies)) is (
                registry.NotReachableError
            )
        else:
            assert case.ask(f'{name}:{port}', proxies=proxies) == case.DIGEST
    assert asked == []


def test_a_connection_is_kept_for_the_next_request_whichever_thread_sends_it():
    addresses = []

    def answer(exchange):
        addresses.append(exchange.client_address)
        case.has(exchange)

    with case.registry_that(answer) as (host, _), registry.Client(host) as client:
        for _ in range(3):
            thread = threading.Thread(target=client.get_manifest, args=('team/app', '1.0'))
            thread.start()
            thread.join()
    assert len(addresses) == 3
    assert len(set(addresses)) == 1
