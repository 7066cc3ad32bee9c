"""charm_image._upload.store: what Charmhub refuses, and URLs that are refused here."""

import json

import pytest

from charm_image import _errors
from charm_image._upload import credentials, store, store_connection
from support.storing import IMAGE, connect


def test_expired_credentials_are_reported_with_the_way_to_new_ones(hub, client):
    hub.expired_tokens.add(hub.token)
    with pytest.raises(_errors.NotLoggedInError, match='charmcraft login --export') as caught:
        client.whoami()
    assert caught.value.code == 'macaroon-needs-refresh'
    from_keyring = connect(hub, credentials.Credentials('the keyring', hub.token))
    with pytest.raises(
        _errors.NotLoggedInError, match='`charmcraft logout`, then `charmcraft login`'
    ):
        from_keyring.whoami()


@pytest.mark.parametrize('status', [401, 403])
def test_a_missing_right_is_distinguished_from_a_missing_login_whatever_the_status(
    hub, client, status
):
    body = b'{"error-list": [{"code": "permission-required", "message": "Not yours"}]}'
    hub.fail('GET', '/whoami', status=status, body=body)
    with pytest.raises(_errors.NotAllowedError, match='Not yours'):
        client.whoami()


def test_a_charm_or_resource_that_is_not_there_is_reported(client):
    with pytest.raises(_errors.NotFoundError, match='another not found'):
        client.resources('another')


def test_a_message_of_charmhub_neither_repeats_the_credentials_nor_writes_to_the_terminal(
    hub, client
):
    message = f'no \x1b[31m{hub.token}\n here'
    body = json.dumps({'error-list': [{'code': 'odd', 'message': message}]}).encode()
    hub.fail('GET', '/whoami', status=400, body=body)
    with pytest.raises(_errors.StoreError) as caught:
        client.whoami()
    assert str(caught.value) == r'Charmhub rejected the request: no \x1b[31m*** here.'


def test_the_password_of_the_registry_is_in_no_repr_and_no_later_error(hub, client):
    way_in = client.upload_credentials(*IMAGE)
    assert way_in.password not in repr(way_in)
    body = json.dumps({'error-list': [{'code': 'odd', 'message': way_in.password}]}).encode()
    hub.fail('POST', '/blob', status=400, body=body)
    with pytest.raises(_errors.StoreError) as caught:
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
    with pytest.raises(_errors.InsecureURLError, match='https://'):
        store.Store(found, api_url=url)
    with pytest.raises(_errors.InsecureURLError, match='https://'):
        store.Store(found, storage_url=url)


@pytest.mark.parametrize(
    'url', ['http://localhost:1', 'http://127.1.2.3', 'http://[::1]:1', 'https://a.example']
)
def test_a_url_may_be_https_or_of_this_machine(url):
    assert store_connection.secure(url + '/') == url


@pytest.mark.parametrize('password', ['secret', 'a/secret', 'a@secret'])
def test_a_password_in_a_url_is_not_repeated(password):
    with pytest.raises(_errors.InsecureURLError) as caught:
        store_connection.secure(f'http://me:{password}@charmhub.example')
    assert 'secret' not in str(caught.value)


def test_a_password_in_a_url_is_not_used():
    assert store_connection.secure('https://me:secret@charmhub.example:1/a@b/') == (
        'https://charmhub.example:1/a@b'
    )


def test_a_redirect_is_not_followed(hub, client):
    hub.fail('GET', '/whoami', status=302, headers={'Location': 'http://127.0.0.1:1/'})
    with pytest.raises(_errors.StoreError, match='redirects'):
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
def test_a_response_that_is_not_charmhubs_is_reported(hub, client, body):
    hub.fail('GET', '/whoami', status=200, body=body)
    with pytest.raises(_errors.StoreError, match="is not Charmhub's") as caught:
        client.whoami()
    assert caught.value.__cause__ is None
