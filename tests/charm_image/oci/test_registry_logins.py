"""charm_image._oci.registry_logins: what `docker login` and `podman login` leave."""

import base64
import json
import os

import pytest

from charm_image import _errors
from charm_image._oci import registry_logins
from container_image import reference

SECRET = 'hunter2:with colon'


def encoded(username, password=SECRET):
    return base64.b64encode(f'{username}:{password}'.encode()).decode()


def auths(**named):
    return {'auths': {name: {'auth': encoded(user)} for name, user in named.items()}}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', f'{tmp_path / "bin"}:{os.environ["PATH"]}')
    (tmp_path / 'bin').mkdir()
    return tmp_path


@pytest.fixture
def find(home):
    """Look for the login for an image; the environment is that of a user with this home."""

    def find(name, **environment):
        environment = {'HOME': str(home), 'XDG_RUNTIME_DIR': str(home / 'run'), **environment}
        return registry_logins.find(reference.Reference.parse(name), environment)

    return find


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def helper(home, name, logins, status=1, said='credentials not found in native keychain'):
    """Make a credential helper that knows these logins, and notes what it is asked."""
    path = home / 'bin' / f'docker-credential-{name}'
    lines = [
        f"{server}) echo '{json.dumps({'ServerURL': server, 'Username': user, 'Secret': word})}';"
        ' exit 0;;'
        for server, (user, word) in logins.items()
    ]
    path.write_text(
        '#!/bin/sh\nread server || :\n'
        f'echo "$1 $server" >> {home}/asked\n'
        f'case "$server" in\n{chr(10).join(lines)}\nesac\necho "{said}"; exit {status}\n'
    )
    path.chmod(0o755)


WHERE = {
    "docker's": ('.docker/config.json', {}),
    "docker's, elsewhere": ('docker/config.json', {'DOCKER_CONFIG': '{home}/docker'}),
    "podman's": ('run/containers/auth.json', {}),
    "podman's, elsewhere": ('my/auth.json', {'REGISTRY_AUTH_FILE': '{home}/my/auth.json'}),
    "podman's, that lasts": ('.config/containers/auth.json', {}),
    "podman's, that lasts, elsewhere": (
        'xdg/containers/auth.json',
        {'XDG_CONFIG_HOME': '{home}/xdg'},
    ),
}


@pytest.mark.parametrize('where', WHERE)
def test_logins_are_found_where_docker_and_podman_put_them(where, home, find):
    path, environment = WHERE[where]
    write(home / path, auths(**{'registry.test:5000': 'me'}))
    environment = {name: value.format(home=home) for name, value in environment.items()}
    assert find('registry.test:5000/team/app:1', **environment) == registry_logins.Login(
        'me', SECRET
    )
    assert find('other.test/team/app:1', **environment) == registry_logins.Login()


def test_the_login_of_podman_goes_first_and_that_of_docker_serves_other_registries(home, find):
    write(home / 'run/containers/auth.json', auths(**{'a.test': 'podman'}))
    write(home / '.docker/config.json', auths(**{'a.test': 'docker', 'b.test': 'docker'}))
    assert find('a.test/x').username == 'podman'
    assert find('b.test/x').username == 'docker'


@pytest.mark.parametrize(
    'key',
    ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io', 'registry-1.docker.io']
    + ['https://registry-1.docker.io/v2/', 'http://docker.io', 'https://docker.io/'],
)
def test_docker_hub_has_several_names(key, home, find):
    write(home / '.docker/config.json', auths(**{key: 'me'}))
    assert find('nginx').username == 'me'
    assert find('docker.io/team/app').username == 'me'
    assert find('quay.io/team/app').username == ''


@pytest.mark.parametrize(
    'key',
    ['http://a.test', 'https://a.test', 'https://a.test/']
    + ['https://a.test/v1', 'https://a.test/v1/', 'https://a.test/v2/', 'https://a.test/team'],
)
def test_a_registry_may_be_named_as_a_url(key, home, find):
    write(home / '.docker/config.json', auths(**{key: 'me'}))
    assert find('a.test/x').username == 'me'


@pytest.mark.parametrize('end', ['', '\n', '\r\n'])
def test_a_login_may_end_with_what_skopeo_ignores_as_well(end, home, find):
    """NUL bytes after the password, as Docker once wrote them, and line breaks of `base64`."""
    auth = base64.b64encode(f'me:{SECRET}\0\0'.encode()).decode()
    auth = f'{auth[:10]}{end}{auth[10:]}{end}'
    write(home / '.docker/config.json', {'auths': {'a.test': {'auth': auth}}})
    assert find('a.test/x') == registry_logins.Login('me', SECRET)


def test_the_login_for_the_nearest_namespace_is_taken(home, find):
    write(
        home / 'run/containers/auth.json',
        auths(**{'a.test': 'all', 'a.test/team': 'team', 'a.test/team/app': 'app'}),
    )
    assert find('a.test/team/app').username == 'app'
    assert find('a.test/team/other').username == 'team'
    assert find('a.test/team/other/deep').username == 'team'
    assert find('a.test/teams/x').username == 'all'


def test_find_does_not_look_at_entries_for_other_registries(home, find):
    damaged = {'b.test': {'auth': ''}, 'c.test': {'auth': '!'}, 'd.test': 5, 'a.test.evil': {}}
    content = auths(**{'a.test': 'me'})
    write(home / '.docker/config.json', {'auths': {**damaged, **content['auths']}})
    assert find('a.test/x').username == 'me'
    assert find('b.test/x') == registry_logins.Login()


def test_find_returns_an_identity_token_of_a_file_and_of_a_helper(home, find):
    write(home / '.docker/config.json', {'auths': {'a.test': {'identitytoken': SECRET}}})
    assert find('a.test/x') == registry_logins.Login(identity_token=SECRET)
    helper(home, 'vault', {'a.test': ('<token>', SECRET)})
    write(home / '.docker/config.json', {'credHelpers': {'a.test': 'vault'}})
    assert find('a.test/x') == registry_logins.Login(identity_token=SECRET)


def test_find_usable_returns_why_a_login_cannot_be_used(home, find):
    write(home / '.docker/config.json', {'credsStore': 'missing'})
    name = reference.Reference.parse('a.test/x')
    login, error = registry_logins.find_usable(name, {'HOME': str(home)})
    assert login == registry_logins.Login()
    assert 'docker-credential-missing' in str(error)


def test_find_returns_no_login_where_there_is_none(home, find):
    assert find('a.test/x') == registry_logins.Login()
    write(home / '.docker/config.json', '{}')
    write(home / 'run/containers/auth.json', '')
    assert find('a.test/x') == registry_logins.Login()
    write(home / '.docker/config.json', {'auths': {'a.test': {}}, 'HttpHeaders': {}})
    assert find('a.test/x') == registry_logins.Login()


# Credential helpers


def test_the_helper_of_a_registry_is_asked_for_it_alone(home, find):
    helper(home, 'vault', {'a.test': ('me', SECRET)})
    write(
        home / '.docker/config.json',
        {'credHelpers': {'a.test': 'vault'}, **auths(**{'b.test': 'file'})},
    )
    assert find('a.test/x') == registry_logins.Login('me', SECRET)
    assert find('b.test/x').username == 'file'
    assert (home / 'asked').read_text() == 'get a.test\n'


def test_the_store_of_all_logins_is_asked(home, find):
    helper(home, 'store', {'https://index.docker.io/v1/': ('me', SECRET)})
    write(home / '.docker/config.json', {'credsStore': 'store', 'auths': {'docker.io': {}}})
    assert find('nginx') == registry_logins.Login('me', SECRET)
    assert find('a.test/x') == registry_logins.Login()


@pytest.mark.parametrize(
    ('make', 'said'),
    [
        (lambda home: None, 'docker-credential-broken, .* is not on PATH'),
        (lambda home: helper(home, 'broken', {}, 3, SECRET), 'failed for a.test .*status 3'),
        (lambda home: helper(home, 'broken', {}, 0, SECRET), 'unexpected output'),
        (
            lambda home: write(home / 'bin' / 'docker-credential-broken', ''),
            'is not on PATH|cannot be started',
        ),
    ],
)
def test_a_helper_that_fails_is_named_and_what_it_said_is_not(make, said, home, find):
    make(home)
    write(home / '.docker/config.json', {'credHelpers': {'a.test': 'broken'}})
    with pytest.raises(_errors.LoginError, match=said) as caught:
        find('a.test/x')
    assert 'hunter2' not in str(caught.value)


# What can't be read


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (f'{{"auths": "{SECRET}', 'is not a valid JSON file'),
        (f'["{SECRET}"]', 'is not a valid JSON file'),
        ({'auths': [SECRET]}, 'auths .* is not a mapping'),
        ({'credHelpers': SECRET}, 'credHelpers .* is not a mapping'),
        ({'auths': {'a.test': {'auth': f'{SECRET}!'}}}, 'log in again'),
        ({'auths': {'a.test': {'auth': base64.b64encode(b'hunter2').decode()}}}, 'log in again'),
        ({'credHelpers': {'a.test': '../../bin/sh'}}, 'slash'),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_named_and_not_quoted(content, said, home, find):
    write(home / '.docker/config.json', content)
    with pytest.raises(_errors.LoginError, match=said) as caught:
        find('a.test/x')
    assert 'hunter2' not in str(caught.value)
    assert 'config.json' in str(caught.value) or 'helper' in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_directory_in_place_of_the_file_is_reported(home, find):
    (home / '.docker/config.json').mkdir(parents=True)
    with pytest.raises(_errors.LoginError, match='Is a directory'):
        find('a.test/x')


def test_a_login_shows_no_password():
    login = registry_logins.Login('me', SECRET, SECRET)
    assert 'hunter2' not in f'{login} {login!r}'
