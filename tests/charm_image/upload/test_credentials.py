"""charm_image._upload.credentials: what charmcraft stores, in all its forms."""

import base64
import json

import keyring
import keyring.backend
import pymacaroons
import pytest

from charm_image import _errors
from charm_image._upload import credentials

TOKEN = 'MDAxY2xvY2F0aW9uIGFwaS5jaGFybWh1Yi5pbwowMDE'  # as macaroons look: base64 of text
LOG_IN = 'charmcraft login'


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def wrapped(text):
    return '\n'.join(text[i : i + 20] for i in range(0, len(text), 20))


class Keyring(keyring.backend.KeyringBackend):
    priority = 1

    def __init__(self, entries=(), error=None):
        super().__init__()
        self.entries = dict(entries)
        self.error = error

    def set_password(self, service, username, password):
        self.entries[service, username] = password

    def get_password(self, service, username):
        if self.error:
            raise self.error
        return self.entries.get((service, username))


@pytest.fixture
def use_keyring():
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


TYPED = json.dumps({'t': 'macaroon', 'v': TOKEN})
UNTYPED = json.dumps({'c': [], 'l': 'api.charmhub.io', 's64': 'x'})
BAKERY = encoded(json.dumps([{'identifier': 'x', 'signature': 'y'}]))


@pytest.mark.parametrize(
    ('value', 'token'),
    [
        (TOKEN, TOKEN),
        (f'  {TOKEN}\n', TOKEN),
        (encoded(TOKEN), TOKEN),
        (encoded(TOKEN + '\n'), TOKEN),
        (encoded(TOKEN).rstrip('='), TOKEN),
        (wrapped(encoded(TOKEN)), TOKEN),
        (TYPED, TOKEN),
        (encoded(TYPED), TOKEN),
        (UNTYPED, UNTYPED),
        (encoded(UNTYPED), UNTYPED),
        (BAKERY, BAKERY),
        (encoded(BAKERY), BAKERY),
    ],
)
def test_parse_returns_the_token_in_every_form_that_charmcraft_wrote(value, token):
    assert credentials.find('host', {'CHARMCRAFT_AUTH': value}).token == token


@pytest.mark.parametrize('encode', [str, encoded])
def test_parse_returns_the_two_macaroons_of_a_fresh_login(encode):
    login = json.dumps({'t': 'u1-macaroon', 'v': {'r': 'root', 'd': 'discharge'}})
    found = credentials.find('host', {'CHARMCRAFT_AUTH': encode(login)})
    assert (found.token, found.root, found.discharge) == ('', 'root', 'discharge')


@pytest.mark.parametrize('version', [pymacaroons.MACAROON_V1, pymacaroons.MACAROON_V2])
def test_bind_binds_a_discharge_to_its_root_as_pymacaroons_does(version):
    root = pymacaroons.Macaroon('charmhub.io', 'root', 'key of the store', version=version)
    root.add_first_party_caveat('time-before 2030')
    discharge = pymacaroons.Macaroon('login.ubuntu.com', 'id', 'key of the SSO', version=version)
    expected = root.prepare_for_request(discharge).serialize()
    assert credentials.bind(root.serialize(), discharge.serialize()) == expected


@pytest.mark.parametrize(
    'value',
    [
        'two words\nand lines',
        json.dumps({'t': 'macaroon', 'v': 17}),
        json.dumps({'t': 'macaroon', 'v': 'with\nbreak'}),
        json.dumps({'t': 'u1-macaroon', 'v': 'secret-part'}),
        json.dumps({'t': 'u1-macaroon', 'v': {'r': 'secret-part'}}),
        json.dumps({'t': 'something new', 'v': 'secret-part'}),
        'not-ascii-ä',
    ],
)
def test_parse_refuses_what_is_in_no_known_form_and_does_not_repeat_it(value):
    with pytest.raises(_errors.CredentialsError, match=LOG_IN) as caught:
        credentials.find('host', {'CHARMCRAFT_AUTH': value})
    for part in ('two words', 'secret-part', 'break', 'ä'):
        assert part not in repr(caught.value)


def test_bind_refuses_what_is_not_a_macaroon_and_does_not_repeat_it():
    with pytest.raises(_errors.CredentialsError, match=LOG_IN) as caught:
        credentials.bind('cm9vdA', 'ZGlzY2hhcmdl!')
    assert 'ZGlz' not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_find_distinguishes_the_name_of_the_exported_file_from_its_content(tmp_path):
    (tmp_path / 'exported').write_text(TOKEN)
    with pytest.raises(_errors.CredentialsError, match=r'\$\(cat FILE\)'):
        credentials.find('host', {'CHARMCRAFT_AUTH': str(tmp_path / 'exported')})


@pytest.mark.parametrize('environment', [{}, {'CHARMCRAFT_AUTH': ''}, {'CHARMCRAFT_AUTH': ' \n'}])
def test_find_reads_the_keyring_without_the_variable(use_keyring, environment):
    use_keyring(Keyring({('charmcraft', 'api.charmhub.io'): encoded(TOKEN)}))
    found = credentials.find('api.charmhub.io', environment)
    assert found.token == TOKEN
    assert 'charmcraft logout' in found.renewal


def test_find_takes_the_variable_before_the_keyring(use_keyring):
    use_keyring(Keyring({('charmcraft', 'host'): encoded('another')}))
    found = credentials.find('host', {'CHARMCRAFT_AUTH': TOKEN})
    assert found.token == TOKEN
    assert 'CHARMCRAFT_AUTH' in found.renewal


@pytest.mark.parametrize('backend', [Keyring(), Keyring(error=RuntimeError('secret-part'))])
def test_find_says_how_to_log_in(use_keyring, backend):
    use_keyring(backend)
    with pytest.raises(_errors.CredentialsError, match=LOG_IN) as caught:
        credentials.find('host', {})
    assert 'CHARMCRAFT_AUTH' in str(caught.value)
    assert 'secret-part' not in str(caught.value)


def test_credentials_show_no_secret_in_their_repr():
    found = credentials.Credentials('here', 'secret-1', 'secret-2', 'secret-3', 'secret-4')
    assert 'secret' not in repr(found)
    assert set(found.secrets) == {'secret-1', 'secret-2', 'secret-3', 'secret-4'}
