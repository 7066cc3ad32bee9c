"""charm_image._oci.receiver: a registry for one push, spoken to as engines do."""

import base64
import contextlib
import hashlib
import http.client
import json
import socket
import threading

import pytest

import charm_image
from charm_image._oci import images, receiver

KNOWN = 'sha256:' + 'a' * 64
BLOB = b'\x1f\x8b' + bytes(range(256)) * 1000
DIGEST = 'sha256:' + hashlib.sha256(BLOB).hexdigest()
MANIFEST = json.dumps({'schemaVersion': 2}).encode()


class Peer:
    """What pushes, over one connection."""

    def __init__(self, registry):
        host, _, self.path = registry.name.partition('/')
        self.connection = http.client.HTTPConnection(host, timeout=30)
        login = base64.b64encode(f'{registry.username}:{registry.password}'.encode())
        self.headers = {'Authorization': f'Basic {login.decode()}'}

    def ask(self, method, path, body=None, **headers):
        """Send a request below the repository; a body that is no bytes goes in chunks."""
        url = path if path.startswith('/v2/') else f'/v2/{self.path}/{path}'
        self.connection.request(method, url, body, {**self.headers, **headers})
        answer = self.connection.getresponse()
        answer.read()
        return answer

    def push(self, blob, digest=DIGEST, *, with_put=False):
        """Send a blob as podman and Docker do, or as containerd's store does."""
        begun = self.ask('POST', 'blobs/uploads/')
        assert begun.status == 202
        location = begun.headers['Location']
        if not with_put:
            sent = self.ask('PATCH', location, iter([blob[:1000], blob[1000:]]))
            assert sent.status == 202, sent.status
            location = sent.headers['Location']
            blob = None
        return self.ask('PUT', f'{location}?digest={digest}', blob).status


@pytest.fixture
def registry():
    with receiver.Receiver({KNOWN: 7}.get) as running:
        yield running


@pytest.fixture
def peer(registry):
    peer = Peer(registry)
    with contextlib.closing(peer.connection):
        yield peer


@contextlib.contextmanager
def read_in_background(registry):
    """Read all uploads meanwhile; yield the list that they end up in."""
    contents = []

    def read():
        for upload in registry.uploads():
            content = b''
            while part := upload.read(1 << 16):
                content += part
            contents.append(content)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield contents
    finally:
        registry.stop()
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.parametrize('with_put', [False, True], ids=['PATCH', 'PUT'])
def test_an_upload_is_what_was_sent(registry, peer, with_put):
    with read_in_background(registry) as contents:
        assert peer.push(BLOB, with_put=with_put) == 201
    assert contents == [BLOB]


def test_an_upload_is_there_when_it_is_asked_for_again(registry, peer):
    with read_in_background(registry):
        assert peer.ask('HEAD', f'blobs/{DIGEST}').status == 404
        peer.push(BLOB)
        assert peer.ask('HEAD', f'blobs/{DIGEST}').status == 200


def test_a_known_blob_is_there_with_its_size(peer):
    answer = peer.ask('HEAD', f'blobs/{KNOWN}')
    assert (answer.status, answer.headers['Content-Length']) == (200, '7')
    assert answer.headers['Docker-Content-Digest'] == KNOWN


def test_a_known_blob_cannot_be_read(peer):
    assert peer.ask('GET', f'blobs/{KNOWN}').status == 404


def test_a_manifest_is_kept_with_its_type(registry, peer):
    answer = peer.ask('PUT', 'manifests/latest', MANIFEST, **{'Content-Type': 'a/b'})
    assert answer.status == 201
    assert answer.headers['Docker-Content-Digest'] == images.digest(MANIFEST)
    assert registry.manifests == [('a/b', MANIFEST)]


def test_a_manifest_cannot_be_read(peer):
    peer.ask('PUT', 'manifests/latest', MANIFEST)
    assert peer.ask('GET', 'manifests/latest').status == 404


def test_a_manifest_that_is_too_large_is_refused(registry, peer):
    large = b'{' + b' ' * images.MAX_DOCUMENT_BYTES
    with contextlib.suppress(OSError):  # the connection may be closed before all is sent
        assert peer.ask('PUT', 'manifests/latest', large).status == 413
    assert registry.manifests == []


@pytest.mark.parametrize(
    'path', ['/v2/', f'/v2/{"0" * 32}/blobs/{KNOWN}', 'blobs/' + KNOWN, 'manifests/latest']
)
def test_a_receiver_answers_nobody_without_the_password(registry, peer, path):
    for header in ('', 'Basic ', 'Basic eDp5', 'Bearer x', 'Basic \xe9'):
        peer.headers = {'Authorization': header}
        answer = peer.ask('HEAD', path)
        assert answer.status == 401
        assert answer.headers['WWW-Authenticate'].startswith('Basic')


def test_a_receiver_has_nothing_at_a_different_path(registry, peer):
    peer.path = '0' * 32
    assert peer.ask('HEAD', f'blobs/{KNOWN}').status == 404
    assert peer.ask('PUT', 'manifests/latest', MANIFEST).status == 404
    assert registry.manifests == []


def test_a_receiver_has_another_path_and_password_each_time():
    with receiver.Receiver(lambda _: None) as one, receiver.Receiver(lambda _: None) as other:
        for attribute in ('repository', 'username', 'password'):
            assert len(getattr(one, attribute)) >= 16
            assert getattr(one, attribute) != getattr(other, attribute)


def test_a_receiver_listens_on_loopback_only(registry):
    assert registry.name.startswith('127.0.0.1:')
    assert registry._server.socket.getsockname()[0] == '127.0.0.1'


def test_a_tls_handshake_is_answered_without_tls(registry):
    host, _, port = registry.name.partition('/')[0].partition(':')
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(b'\x16\x03\x01\x02\x00\x01')  # and no line feed
        assert client.makefile('rb').read().startswith(b'HTTP/1.1 400')


def test_a_blob_that_nobody_reads_is_refused_on_a_connection_that_stays(registry, peer):
    location = peer.ask('POST', 'blobs/uploads/').headers['Location']
    stop = threading.Timer(0.1, registry.stop)
    stop.start()
    assert peer.ask('PATCH', location, iter([BLOB])).status == 400
    assert peer.ask('HEAD', f'blobs/{KNOWN}').status == 200
    assert peer.ask('PATCH', location, iter([BLOB])).status == 400
    stop.join()


@pytest.mark.parametrize(
    'body',
    [b'5\r\nabc', b'5\r\nabcde', b'nonsense\r\n', b'5', b'-5\r\nabcde\r\n', b'1' * 5000],
    ids=['short', 'no end', 'no size', 'no line', 'negative', 'long'],
)
def test_a_push_that_breaks_off_is_an_error(registry, peer, body):
    head = ''.join(f'{name}: {value}\r\n' for name, value in peer.headers.items())
    host, _, port = registry.name.partition('/')[0].partition(':')
    with socket.create_connection((host, int(port)), timeout=30) as client:
        path = f'/v2/{peer.path}/blobs/uploads/1'
        client.sendall(
            f'PATCH {path} HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n'.encode() + body
        )
        client.shutdown(socket.SHUT_WR)
        upload = next(registry.uploads())
        with pytest.raises(charm_image.EngineError):
            upload.read(1 << 20)


def test_a_receiver_that_is_closed_does_not_listen():
    with receiver.Receiver(lambda _: None) as registry:
        peer = Peer(registry)
        assert peer.ask('HEAD', '/v2/').status == 200
    host, _, port = registry.name.partition('/')[0].partition(':')
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_a_push_that_is_given_up_leaves_no_thread():
    before = set(threading.enumerate())
    with receiver.Receiver(lambda _: None) as registry:
        peer = Peer(registry)
        location = peer.ask('POST', 'blobs/uploads/').headers['Location']
        peer.connection.putrequest('PATCH', location)
        for name, value in peer.headers.items():
            peer.connection.putheader(name, value)
        peer.connection.putheader('Transfer-Encoding', 'chunked')
        peer.connection.endheaders()
        peer.connection.send(b'5\r\nabcde\r\n')
        next(registry.uploads())
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()
