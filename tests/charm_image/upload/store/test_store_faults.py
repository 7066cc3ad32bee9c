"""charm_image._upload.store: faults of Charmhub, after which there is still one revision."""

import io
import time

import pytest

from charm_image import _errors
from charm_image._upload import credentials, store
from support import certificates, loopback
from support.storing import FILE, IMAGE, create, send

ONCE_MORE = {
    'whoami': ('GET', '/whoami', lambda client: client.whoami()),
    'resources': ('GET', '/resources$', lambda client: client.resources('my-charm')),
    'upload_credentials': (
        'GET',
        '/upload-credentials$',
        lambda client: client.upload_credentials(*IMAGE),
    ),
    'image_blob': (
        'POST',
        '/blob$',
        lambda client: client.image_blob(*IMAGE, 'sha256:' + 64 * '0'),
    ),
    'send': ('POST', '/unscanned-upload/', send),
}


@pytest.mark.parametrize('fault', [{'status': 500}, {'status': 503}, {'status': None}])
@pytest.mark.parametrize('call', ONCE_MORE)
def test_a_request_that_makes_nothing_twice_is_sent_again(hub, client, told, call, fault):
    method, path, ask = ONCE_MORE[call]
    hub.fail(method, path, times=2, **fault)
    assert ask(client)
    assert len(hub.asked(method, path)) == 3
    assert ['Retrying in 0.5 s' in told[0], 'Retrying in 1 s' in told[1]] == [True, True]


def test_a_file_whose_upload_is_cut_off_is_sent_again_from_its_start(hub, client):
    hub.fail('POST', '/unscanned-upload/', at=2 << 20)
    done = []
    content = bytes(5 << 20)
    upload_id = send(client, content, progress=done.append)
    assert hub.uploads[upload_id].size == len(content)
    assert done != sorted(done)


def test_a_fault_that_stays_ends_in_an_error(hub, client, waits):
    hub.fail('GET', '/whoami', status=502, body=b'<html>', times=99)
    with pytest.raises(
        _errors.UnavailableError, match='reported a server error.*502.*Try again later'
    ):
        client.whoami()
    assert waits == [0.5, 1, 2, 4]


def test_a_request_that_was_refused_is_not_sent_again(hub, client):
    with pytest.raises(_errors.NotFoundError):
        client.resources('another')
    assert len(hub.requests) == 1


def test_a_busy_charmhub_is_left_alone_as_long_as_it_asks(hub, client, waits):
    hub.fail('GET', '/whoami', status=429, headers={'Retry-After': '17'})
    client.whoami()
    assert waits == [17]


def test_a_time_to_come_back_may_be_a_date(hub, client, waits):
    date = time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(time.time() + 30))
    hub.fail('GET', '/whoami', status=503, headers={'Retry-After': date})
    client.whoami()
    assert 0 < waits[0] <= 30


def test_a_charmhub_that_is_busy_for_an_hour_is_not_waited_for(hub, client, waits):
    hub.fail('GET', '/whoami', status=429, headers={'Retry-After': '3600'})
    with pytest.raises(_errors.BusyError, match='is rate-limiting.*Try again in 3600 s'):
        client.whoami()
    assert waits == []


def test_a_host_where_nobody_listens_is_reported(hub, client):
    found = credentials.Credentials('here', 'token')
    client = store.Store(found, api_url='http://127.0.0.1:1')
    with pytest.raises(
        _errors.UnavailableError, match=r'127\.0\.0\.1:1 cannot be reached'
    ) as caught:
        client.whoami()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_certificate_that_is_not_trusted_is_named_with_what_to_do(tmp_path, monkeypatch):
    for name in ('REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'):
        monkeypatch.delenv(name, raising=False)
    certificate = certificates.Authority(tmp_path).issue('127.0.0.1')
    with loopback.serving(lambda exchange: exchange.reply(200), certificate) as url:
        with pytest.raises(_errors.UnavailableError) as caught:
            _store(url).whoami()
        host = url.partition('//')[2]
        assert str(caught.value).startswith(f'The certificate of {host} is not trusted (')
        assert 'set REQUESTS_CA_BUNDLE' in str(caught.value)


def test_a_bundle_of_certificates_that_does_not_exist_is_named(hub, monkeypatch):
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', '/nonexistent/ca.pem')
    with pytest.raises(_errors.StoreError, match='Set REQUESTS_CA_BUNDLE to an existing'):
        _store(hub.url.replace('http:', 'https:')).whoami()


def test_a_port_that_does_not_speak_tls_is_not_said_to_have_a_certificate(hub):
    with pytest.raises(_errors.UnavailableError, match='gave an HTTP response to an HTTPS'):
        _store(hub.url.replace('http:', 'https:')).whoami()


def _store(url):
    return store.Store(credentials.Credentials('here', 'token'), api_url=url)


@pytest.mark.parametrize(
    'fault',
    [{'status': None}, {'status': 504}, {'status': 500}, {'status': 200, 'body': b'<html>'}],
)
def test_a_revision_whose_answer_was_lost_is_not_asked_for_twice(hub, client, fault):
    hub.fail('POST', '/revisions$', after=True, **fault)
    assert create(client) == 1
    assert len(hub.asked('POST', '/revisions$')) == 1


@pytest.mark.parametrize('fault', [{'status': None}, {'status': 503}])
def test_a_revision_that_was_never_asked_for_is_asked_for_again(hub, client, fault):
    hub.fail('POST', '/revisions$', times=2, **fault)
    assert create(client) == 1
    assert len(hub.asked('POST', '/revisions$')) == 3


def test_a_revision_that_comes_into_being_late_is_found_though_asking_again_is_refused(
    hub, client, monkeypatch
):
    hub.fail('POST', '/revisions$', status=504, after=True)
    looks = []
    review = client.review

    def late(charm, upload_id):
        looks.append(upload_id)
        return None if len(looks) == 1 else review(charm, upload_id)

    monkeypatch.setattr(client, 'review', late)
    assert create(client) == 1
    assert [status for _, status in hub.asked('POST', '/revisions$')] == [504, 400]


def test_a_revision_that_charmhub_was_too_busy_to_make_is_asked_for_again(hub, client, waits):
    hub.fail('POST', '/revisions$', status=429, headers={'Retry-After': '3'})
    assert create(client) == 1
    assert waits[0] == 3


def test_a_revision_that_is_refused_is_refused(hub, client):
    with pytest.raises(_errors.StoreError, match='Upload none not found'):
        client.create_revision(*FILE, 'none', 'file', ['all'])
    assert len(hub.requests) == 1


@pytest.mark.parametrize('size', [3, 9])
def test_a_file_of_another_size_than_said_never_arrives(hub, client, size):
    with pytest.raises(_errors.FileChangedError, match='changed during the upload'):
        client.send(io.BytesIO(b'content'), size, 'name')
    assert hub.uploads == {}


def test_a_disk_with_a_fault_is_distinguished_from_a_connection_with_one(hub, client):
    class Broken(io.BytesIO):
        def read(self, size):
            raise OSError(5, 'Input/output error')

    with pytest.raises(_errors.StoreError, match='The file cannot be read: Input/output error'):
        client.send(Broken(), 7, 'name')
    assert len(hub.asked('POST', '/unscanned-upload/')) <= 1
