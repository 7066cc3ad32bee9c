"""charm_image._upload.store against a stand-in for Charmhub, in good days."""

import io
import json

import pymacaroons
import pytest

from charm_image._upload import checks, credentials
from support.storing import FILE, IMAGE, connect, create, send


def test_create_revision_makes_one_of_content_and_the_same_one_of_the_same_content(hub, client):
    assert [create(client, b'one'), create(client, b'two'), create(client, b'one')] == [1, 2, 1]
    assert [upload.content for upload in hub.revisions(*FILE)] == [b'one', b'two']


def test_a_revision_is_for_the_architectures_given(hub, client):
    upload_id = send(client)
    client.create_revision(*IMAGE, upload_id, 'oci-image', ['arm64', 'amd64'])
    base = {'name': 'all', 'channel': 'all', 'architectures': ['arm64', 'amd64']}
    assert hub.revisions(*IMAGE)[0].bases == [base]


@pytest.mark.parametrize('size', [0, 1, (1 << 20) - 1, (3 << 20) + 17])
def test_a_file_arrives_as_it_is_and_the_progress_is_reported(hub, client, size):
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
    monkeypatch.setattr(client._connection, 'get', lambda path: {'resources': listed})
    assert client.resources('my-charm') == {'a': 'file', 'b': 'oci-image'}


@pytest.mark.parametrize('named', [[], [{'type': 'charm', 'name': 'another'}]])
def test_packages_that_only_charmhub_knows_by_their_id_are_not_checked_here(named, hub, client):
    hub.packages = [{'type': 'charm', 'id': hub.charms['my-charm'].id}, *named]
    assert client.whoami().packages is None
    assert checks.types(client, 'my-charm', pytest.fail) == client.resources('my-charm')


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
