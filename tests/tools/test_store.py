"""charm_image.store against a stand-in for Charmhub, in good and bad days."""

import io
import json
import time

import pymacaroons
import pytest

from charm_image import credentials, store
from services import charmhub

FILE, IMAGE = ('my-charm', 'my-file'), ('my-charm', 'my-image')


@pytest.fixture
def hub():
    with charmhub.running() as running:
        yield running


@pytest.fixture
def told():
    return []


@pytest.fixture
def client(hub, told):
    return connect(hub, tell=told.append)


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Wait for nothing, but remember for how long."""
    slept = []
    monkeypatch.setattr(store.time, 'sleep', slept.append)
    return slept


def connect(hub, found=None, **kwargs):
    found = found or credentials.Credentials('CHARMCRAFT_AUTH', hub.token)
    return store.Store(found, api_url=hub.url, storage_url=hub.url, **kwargs)


def send(client, content=b'content', **kwargs):
    return client.send(io.BytesIO(content), len(content), 'name', **kwargs)


def create(client, content=b'content', resource=FILE):
    upload_id = send(client, content)
    type_ = 'file' if resource == FILE else 'oci-image'
    client.create_revision(*resource, upload_id, type_, ['all'])
    return client.wait('my-charm', upload_id, 10)


# What it asks for


def test_content_becomes_a_revision_and_the_same_content_the_same_one(hub, client):
    assert [create(client, b'one'), create(client, b'two'), create(client, b'one')] == [1, 2, 1]
    assert [upload.content for upload in hub.revisions(*FILE)] == [b'one', b'two']


def test_a_revision_is_for_the_architectures_given(hub, client):
    upload_id = send(client)
    client.create_revision(*IMAGE, upload_id, 'oci-image', ['arm64', 'amd64'])
    base = {'name': 'all', 'channel': 'all', 'architectures': ['arm64', 'amd64']}
    assert hub.revisions(*IMAGE)[0].bases == [base]


@pytest.mark.parametrize('size', [0, 1, (1 << 20) - 1, (3 << 20) + 17])
def test_a_file_arrives_as_it_is_and_the_progress_is_told(hub, client, size):
    content = bytes(range(256)) * (size // 256 + 1)
    done = []
    upload_id = send(client, content[:size], progress=done.append)
    assert hub.uploads[upload_id].size == size
    if size < 1 << 20:
        assert hub.uploads[upload_id].content == content[:size]
    assert done == sorted(done)
    assert done[-1:] == [size][: len(done)]
    assert bool(done) == bool(size)


@pytest.mark.parametrize('name', ['my file "1".txt', 'line\r\nbreak', 'größe', 'not\udcffutf8'])
def test_a_file_name_does_not_break_the_request(hub, client, name):
    upload_id = client.send(io.BytesIO(b'content'), 7, name)
    assert hub.uploads[upload_id].content == b'content'


def test_the_type_of_a_resource_is_that_of_the_last_revision_of_the_charm(client, monkeypatch):
    listed = [
        {'name': 'a', 'revision': 9, 'type': 'oci-image'},
        {'name': 'a', 'revision': 10, 'type': 'file'},
        {'name': 'a', 'revision': 8, 'type': 'oci-image'},
        {'name': 'b', 'revision': None, 'type': 'oci-image'},
    ]
    monkeypatch.setattr(client, '_get', lambda path: {'resources': listed})
    assert client.resources('my-charm') == {'a': 'file', 'b': 'oci-image'}


def test_a_token_may_be_restricted_to_packages_and_permissions(hub, client):
    assert client.whoami().permits('package-manage-revisions')
    hub.permissions = ['package-manage-revisions']
    hub.packages = [{'type': 'charm', 'name': 'another'}]
    account = client.whoami()
    assert account.username == 'author'
    assert account.permits('package-manage-revisions')
    assert not account.permits('package-view-revisions')
    assert account.packages == {'another'}


def test_a_fresh_login_is_exchanged_for_a_token_once(hub):
    root = pymacaroons.Macaroon('charmhub.io', 'root', 'key of the store')
    discharge = pymacaroons.Macaroon('login.ubuntu.com', 'id', 'key of the SSO')
    bound = root.prepare_for_request(discharge).serialize()
    hub.sso_macaroons[f'root={root.serialize()}, discharge={bound}'] = 'author'
    login = {'t': 'u1-macaroon', 'v': {'r': root.serialize(), 'd': discharge.serialize()}}
    client = connect(hub, credentials.parse(json.dumps(login), 'the keyring'))
    assert client.whoami().username == 'author'
    client.whoami()
    assert len(hub.asked('POST', '/v1/tokens/usso/exchange$')) == 1


# Refusals


def test_expired_credentials_are_told_with_the_way_to_new_ones(hub, client):
    hub.expired_tokens.add(hub.token)
    with pytest.raises(store.NotLoggedIn, match='charmcraft login --export') as caught:
        client.whoami()
    assert caught.value.code == 'macaroon-needs-refresh'
    from_keyring = connect(hub, credentials.Credentials('the keyring', hub.token))
    with pytest.raises(store.NotLoggedIn, match='`charmcraft logout`, then `charmcraft login`'):
        from_keyring.whoami()


@pytest.mark.parametrize('status', [401, 403])
def test_a_missing_right_is_told_from_a_missing_login_whatever_the_status(hub, client, status):
    body = b'{"error-list": [{"code": "permission-required", "message": "Not yours"}]}'
    hub.fail('GET', '/whoami', status=status, body=body)
    with pytest.raises(store.NotAllowed, match='Not yours'):
        client.whoami()


def test_what_is_not_there_is_told(client):
    with pytest.raises(store.NotFound, match='another not found'):
        client.resources('another')


def test_no_answer_repeats_the_credentials_or_writes_to_the_terminal(hub, client):
    message = f'no \x1b[31m{hub.token}\n here'
    body = json.dumps({'error-list': [{'code': 'odd', 'message': message}]}).encode()
    hub.fail('GET', '/whoami', status=400, body=body)
    with pytest.raises(store.StoreError) as caught:
        client.whoami()
    assert str(caught.value) == 'Charmhub refused: no  [31m***  here.'


def test_the_password_of_the_registry_is_in_no_repr_and_no_later_error(hub, client):
    way_in = client.upload_credentials(*IMAGE)
    assert way_in.password not in repr(way_in)
    body = json.dumps({'error-list': [{'code': 'odd', 'message': way_in.password}]}).encode()
    hub.fail('POST', '/blob', status=400, body=body)
    with pytest.raises(store.StoreError) as caught:
        client.image_blob(*IMAGE, 'sha256:' + 64 * '0')
    assert way_in.password not in str(caught.value)


@pytest.mark.parametrize(
    'url',
    [
        'http://charmhub.example',
        'ftp://127.0.0.1',
        'api.charmhub.io',
        'https://[charmhub',
        'https://charmhub.example:port',
    ],
)
def test_credentials_go_nowhere_unencrypted(url):
    found = credentials.Credentials('here', 'token')
    with pytest.raises(store.InsecureURL, match='https://'):
        store.Store(found, api_url=url)
    with pytest.raises(store.InsecureURL, match='https://'):
        store.Store(found, storage_url=url)


@pytest.mark.parametrize('url', ['http://localhost:1', 'http://127.1.2.3', 'https://a.example'])
def test_this_machine_and_https_will_do(url):
    assert store.secure(url + '/') == url


@pytest.mark.parametrize('password', ['secret', 'a/secret', 'a@secret'])
def test_a_password_in_a_url_is_not_repeated(password):
    with pytest.raises(store.InsecureURL) as caught:
        store.secure(f'http://me:{password}@charmhub.example')
    assert 'secret' not in str(caught.value)


def test_a_password_in_a_url_is_not_used():
    assert store.secure('https://me:secret@charmhub.example:1/a@b/') == (
        'https://charmhub.example:1/a@b'
    )


def test_a_redirect_is_not_followed(hub, client):
    hub.fail('GET', '/whoami', status=302, headers={'Location': 'http://127.0.0.1:1/'})
    with pytest.raises(store.StoreError, match='sends us elsewhere'):
        client.whoami()


def test_a_netrc_does_not_replace_the_credentials(hub, client, tmp_path, monkeypatch):
    (tmp_path / '.netrc').write_text('default login me password secret')
    (tmp_path / '.netrc').chmod(0o600)
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('NETRC', str(tmp_path / '.netrc'))
    assert client.whoami().username == 'author'


def test_a_proxy_is_not_asked_about_this_machine(hub, client, monkeypatch):
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.setenv(name, 'http://127.0.0.1:1')
    for name in ('no_proxy', 'NO_PROXY'):
        monkeypatch.delenv(name, raising=False)
    assert client.whoami().username == 'author'


@pytest.mark.parametrize(
    'body', [b'<html>Log in to the hotel</html>', b'[]', b'null', b'{}', b'{"account": []}']
)
def test_what_is_no_answer_of_charmhub_is_told(hub, client, body):
    hub.fail('GET', '/whoami', status=200, body=body)
    with pytest.raises(store.StoreError, match='did not answer as Charmhub does') as caught:
        client.whoami()
    assert caught.value.__cause__ is None


# Faults

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
def test_what_makes_nothing_twice_is_asked_again(hub, client, told, call, fault):
    method, path, ask = ONCE_MORE[call]
    hub.fail(method, path, times=2, **fault)
    assert ask(client)
    assert len(hub.asked(method, path)) == 3
    assert ['Trying again in 0.5 s' in told[0], 'Trying again in 1 s' in told[1]] == [True, True]


def test_a_file_whose_upload_is_cut_off_is_sent_again_from_its_start(hub, client):
    hub.fail('POST', '/unscanned-upload/', at=2 << 20)
    done = []
    content = bytes(5 << 20)
    upload_id = send(client, content, progress=done.append)
    assert hub.uploads[upload_id].size == len(content)
    assert done != sorted(done)


def test_a_fault_that_stays_ends_in_an_error(hub, client, waits):
    hub.fail('GET', '/whoami', status=502, body=b'<html>', times=99)
    with pytest.raises(store.Unavailable, match='has a fault.*502.*Try again later'):
        client.whoami()
    assert waits == [0.5, 1, 2, 4]


def test_a_refusal_is_not_asked_again(hub, client):
    with pytest.raises(store.NotFound):
        client.resources('another')
    assert len(hub.requests) == 1


def test_a_busy_charmhub_is_left_alone_as_long_as_it_wants(hub, client, waits):
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
    with pytest.raises(store.Busy, match='is busy.*Try again in 3600 s'):
        client.whoami()
    assert waits == []


def test_nobody_listening_is_told_with_the_host(hub, client):
    found = credentials.Credentials('here', 'token')
    client = store.Store(found, api_url='http://127.0.0.1:1')
    with pytest.raises(store.Unavailable, match=r'127\.0\.0\.1:1 cannot be reached') as caught:
        client.whoami()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# No two revisions


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
    with pytest.raises(store.StoreError, match='Upload none not found'):
        client.create_revision(*FILE, 'none', 'file', ['all'])
    assert len(hub.requests) == 1


# The review


def test_a_review_is_waited_for(hub, client, waits):
    hub.looks_until_reviewed = 4
    assert create(client) == 1
    assert waits == [0.2, 0.3, 0.5, 1]


def test_the_review_is_where_charmhub_says_it_is(hub, client):
    upload_id = send(client)
    where = f'/v1/charm/my-charm/revisions/review?upload-id={upload_id}&said=so'
    body = json.dumps({'status-url': where}).encode()
    hub.fail('POST', '/revisions$', after=True, status=200, body=body)
    client.create_revision(*FILE, upload_id, 'file', ['all'])
    client.wait('my-charm', upload_id, 10)
    assert hub.asked('GET', '/review') == [(where, 200)]


@pytest.mark.parametrize(
    'where', ['https://127.0.0.1:1/review', 'v1/charm/another/revisions/review', '', None, 7]
)
def test_a_review_is_looked_for_at_charmhub_wherever_it_is_said_to_be(hub, client, where):
    body = json.dumps({'status-url': where}).encode()
    hub.fail('POST', '/revisions$', after=True, status=200, body=body)
    upload_id = send(client)
    client.create_revision(*FILE, upload_id, 'file', ['all'])
    assert client.wait('my-charm', upload_id, 10) == 1
    assert hub.asked('GET', '/review') == [
        (f'/v1/charm/my-charm/revisions/review?upload-id={upload_id}', 200)
    ]


def _reviewed(**kwargs):
    review = {'errors': None, 'revision': None, 'status': 'approved', **kwargs}
    return {key.replace('_', '-'): value for key, value in review.items()}


def test_the_review_of_another_upload_is_not_taken_for_this_one(hub, client):
    upload_id = send(client)
    client.create_revision(*FILE, upload_id, 'file', ['all'])
    others = [
        _reviewed(upload_id='another', revision=77),
        _reviewed(upload_id='a-third', status='rejected'),
    ]
    for reviews in (others, [*others, _reviewed(upload_id=upload_id, revision=5)]):
        body = json.dumps({'revisions': reviews}).encode()
        hub.fail('GET', '/review', status=200, body=body)
    assert client.wait('my-charm', upload_id, 10) == 5
    assert len(hub.asked('GET', '/review')) == 2


def test_an_approved_review_is_waited_for_until_it_has_a_revision(hub, client, waits):
    upload_id = send(client)
    client.create_revision(*FILE, upload_id, 'file', ['all'])
    for revision in (None, None, 5):
        reviews = [_reviewed(upload_id=upload_id, revision=revision)]
        body = json.dumps({'revisions': reviews}).encode()
        hub.fail('GET', '/review', status=200, body=body)
    assert client.wait('my-charm', upload_id, 10) == 5
    assert waits == [0.2, 0.3]


def test_a_review_that_takes_too_long_is_told_with_the_upload(hub, client):
    hub.looks_until_reviewed = 99
    upload_id = send(client)
    client.create_revision(*FILE, upload_id, 'file', ['all'])
    with pytest.raises(store.ReviewPending, match=upload_id):
        client.wait('my-charm', upload_id, 0)


def test_a_rejection_is_told_with_its_reasons(hub, client):
    hub.review_errors = [{'code': 'too-big', 'message': 'It is too big'}, {'code': 'odd'}]
    with pytest.raises(store.Rejected, match='too-big: It is too big; odd') as caught:
        create(client)
    assert caught.value.errors[0] == {'code': 'too-big', 'message': 'It is too big'}


@pytest.mark.parametrize('answer', [(404, b'{}'), (200, b'{"revisions": []}')])
def test_a_review_that_has_not_begun_yet_is_waited_for(hub, client, waits, answer):
    hub.fail('GET', '/review', status=answer[0], body=answer[1], times=2)
    assert create(client) == 1
    assert waits == [0.2, 0.3]


@pytest.mark.parametrize('body', [b'{"error-list": 7}', b'{"error-list": ["odd"]}', b'[]', b'7'])
def test_a_refusal_of_any_form_is_told_with_its_status(hub, client, body):
    hub.fail('GET', '/whoami', status=400, body=body)
    with pytest.raises(store.StoreError, match='Charmhub refused: 400 Bad Request'):
        client.whoami()


def test_an_upload_that_nobody_knows_is_not_waited_for(client, waits):
    with pytest.raises(store.NotFound, match='no-such-upload'):
        client.wait('my-charm', 'no-such-upload', 10)
    assert waits == []


# The file


@pytest.mark.parametrize('size', [3, 9])
def test_a_file_of_another_size_than_said_never_arrives(hub, client, size):
    with pytest.raises(store.FileChanged, match='changed while it was sent'):
        client.send(io.BytesIO(b'content'), size, 'name')
    assert hub.uploads == {}


def test_a_disk_with_a_fault_is_told_from_a_connection_with_one(hub, client):
    class Broken(io.BytesIO):
        def read(self, size):
            raise OSError(5, 'Input/output error')

    with pytest.raises(store.StoreError, match='The file cannot be read: Input/output error'):
        client.send(Broken(), 7, 'name')
    assert len(hub.asked('POST', '/unscanned-upload/')) <= 1
