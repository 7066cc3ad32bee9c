"""How the registry client proves who it is: Basic, tokens, and to whom."""

import json
import time
import urllib.parse

import pytest

from container_image import reference, registry
from support import registry_case as case


def test_basic_credentials_are_sent_when_they_are_asked_for():
    with case.registry_that(case.wants_basic) as (host, asked):
        assert case.ask(host, username=case.USERNAME, password=case.PASSWORD) == case.DIGEST
    assert [authorization for _, _, authorization in asked] == [None, f'Basic {case.BASIC}']


def test_wrong_basic_credentials_are_named_so():
    with case.registry_that(case.wants_basic) as (host, _):
        error = case.failure_of(case.ask, host, username=case.USERNAME, password='hunter2')
    assert type(error) is registry.BadCredentialsError


def test_no_credentials_where_some_are_needed_is_no_right():
    with case.registry_that(case.wants_basic) as (host, _):
        assert type(case.failure_of(case.ask, host)) is registry.AccessDeniedError


def test_an_unknown_kind_of_authentication_is_named_so():
    def answer(exchange):
        exchange.reply(401, WWW_Authenticate='Negotiate')

    with case.registry_that(answer) as (host, _):
        error = case.failure_of(case.ask, host, username=case.USERNAME, password=case.PASSWORD)
    assert type(error) is registry.ProtocolError


@pytest.mark.parametrize('password', ['', case.PASSWORD])
def test_a_refusal_that_does_not_say_how_to_do_better_is_no_right(password):
    with case.registry_that(lambda exchange: exchange.reply(401)) as (host, _):
        error = case.failure_of(case.ask, host, username=case.USERNAME, password=password)
    assert type(error) is registry.AccessDeniedError


def test_netrc_is_never_read(tmp_path, monkeypatch):
    netrc = tmp_path / 'netrc'
    netrc.write_text('default login from-netrc password from-netrc\n')
    monkeypatch.setenv('NETRC', str(netrc))
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / '.netrc').write_text(netrc.read_text())
    with case.registry_that(case.wants_basic) as (host, asked):
        case.failure_of(case.ask, host)
        assert case.ask(host, username=case.USERNAME, password=case.PASSWORD) == case.DIGEST
    assert {authorization for _, _, authorization in asked} == {None, f'Basic {case.BASIC}'}


@pytest.mark.parametrize('key', ['token', 'access_token'])
@pytest.mark.parametrize(
    ('password', 'sent'), [('', None), (case.PASSWORD, f'Basic {case.BASIC}')]
)
def test_a_token_is_fetched_with_the_credentials_if_there_are_any(key, password, sent):
    with case.token_registry({key: case.TOKEN}) as (host, asked, tokens_asked):
        assert case.ask(host, username=case.USERNAME, password=password) == case.DIGEST
    query = urllib.parse.urlencode(
        [('service', 'the registry, "ours"'), ('scope', 'repository:team/app:pull')]
    )
    assert tokens_asked == [(f'/token?{query}', sent)]
    assert [authorization for _, _, authorization in asked] == [None, f'Bearer {case.TOKEN}']


def test_each_of_several_scopes_is_asked_for():
    scope = 'repository:team/app:pull repository:host:5000/other:pull,push'
    with case.token_registry(scope=scope) as (host, _, tokens_asked):
        assert case.ask(host) == case.DIGEST
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(tokens_asked[0][0]).query)
    assert query['scope'] == ['repository:team/app:pull', 'repository:host:5000/other:pull,push']


@pytest.mark.parametrize('scope', ['aws', 'registry:catalog:*', 'repository(plugin):a/b:pull'])
def test_a_scope_of_any_form_is_asked_for_as_it_is(scope):
    with case.token_registry(scope=scope) as (host, _, tokens_asked):
        assert case.ask(host) == case.DIGEST
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(tokens_asked[0][0]).query)
    assert query['scope'] == [scope]


@pytest.mark.parametrize(('push', 'actions'), [(False, 'pull'), (True, 'pull,push')])
def test_where_the_registry_names_no_scope_that_of_the_request_is_asked_for(push, actions):
    with case.token_registry(scope='') as (host, _, tokens_asked), registry.Client(host) as client:
        if push:
            client.put_manifest('team/app', '1.0', case.MANIFEST, case.TYPE)
        else:
            client.head_manifest('team/app', '1.0')
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(tokens_asked[0][0]).query)
    assert query['scope'] == [f'repository:team/app:{actions}']


def test_a_challenge_may_come_in_a_header_of_its_own():
    def answer(exchange):
        if exchange.headers.get('Authorization'):
            case.wants_basic(exchange)
        else:
            exchange.send_response(401)
            for challenge in ('Negotiate', 'Basic realm="x"'):
                exchange.send_header('WWW-Authenticate', challenge)
            exchange.send_header('Content-Length', '0')
            exchange.end_headers()

    with case.registry_that(answer) as (host, _):
        assert case.ask(host, username=case.USERNAME, password=case.PASSWORD) == case.DIGEST


def test_credentials_that_the_token_server_refuses_are_bad():
    with case.token_registry(status=401) as (host, _, _):
        error = case.failure_of(case.ask, host, username=case.USERNAME, password=case.PASSWORD)
    assert type(error) is registry.BadCredentialsError


@pytest.mark.parametrize(
    ('status', 'document', 'words'),
    [
        (401, b'', 'needs credentials'),
        (403, b'{"errors": [{"code": "DENIED"}]}', 'needs credentials'),
        (403, b'', 'denied access to'),
    ],
)
def test_a_token_server_that_refuses_an_anonymous_client_says_if_credentials_would_help(
    status, document, words
):
    with case.token_registry(document, status=status) as (host, _, _):
        error = case.failure_of(case.ask, host)
    assert type(error) is registry.AccessDeniedError
    assert words in str(error)


@pytest.mark.parametrize('password', ['', case.PASSWORD])
def test_a_token_that_the_registry_does_not_take_is_no_right(password):
    with case.token_registry({'token': 'for less'}) as (host, asked, _):
        error = case.failure_of(case.ask, host, username=case.USERNAME, password=password)
    assert type(error) is registry.ProtocolError  # a token case.has no space
    with case.token_registry({'token': 'for-less'}) as (host, asked, _):
        error = case.failure_of(case.ask, host, username=case.USERNAME, password=password)
    assert type(error) is registry.AccessDeniedError
    assert len(asked) == 2


@pytest.mark.parametrize(
    'document',
    [
        b'<html>Sign in</html>',
        b'',
        b'[]',
        b'[' * 60000,
        {},
        {'token': None},
        {'token': 7},
        {'token': f'{case.TOKEN}\r\nX-Injected: yes'},
        b'{"token": "' + b'x' * 70000 + b'"}',
        b'\xff',
    ],
)
def test_what_is_no_token_is_named_so(document):
    with case.token_registry(document) as (host, asked, _):
        with pytest.raises(registry.ProtocolError) as caught:
            case.ask(host, username=case.USERNAME, password=case.PASSWORD)
    assert case.TOKEN not in str(caught.value)
    assert len(asked) == 1


@pytest.mark.parametrize('lifetime', [10**400, -1, 0, 'soon', None, True, 1e-9])
def test_any_lifetime_of_a_token_is_taken(lifetime):
    with case.token_registry({'token': case.TOKEN, 'expires_in': lifetime}) as (host, _, _):
        assert case.ask(host) == case.DIGEST


def test_a_token_that_has_expired_is_renewed_before_it_is_sent():
    with case.token_registry({'token': case.TOKEN, 'expires_in': 1e-9}) as (
        host,
        asked,
        tokens_asked,
    ):
        with registry.Client(host) as client:
            client.head_manifest('team/app', '1.0')
            client.head_manifest('team/app', '1.0')
    assert len(tokens_asked) == 2
    assert [authorization for _, _, authorization in asked] == [
        None,
        *[f'Bearer {case.TOKEN}'] * 2,
    ]


@pytest.mark.parametrize(
    'realm', ['http://tokens.test/token', 'ftp://tokens.test/', '', '/token', 'https://[', '//x']
)
def test_credentials_go_to_a_token_server_over_https_only(realm, names):
    def answer(exchange):
        exchange.reply(401, WWW_Authenticate=f'Bearer realm="{realm}"')

    with case.registry_that(answer) as (host, _):
        error = case.failure_of(case.ask, host, username=case.USERNAME, password=case.PASSWORD)
    assert type(error) is registry.ProtocolError
    assert 'tokens.test' not in names


def test_a_token_server_may_be_on_another_host(trusted):
    certificate = trusted.issue('127.0.0.1', 'tokens.test')
    with case.token_registry(certificate=certificate, name='tokens.test') as (
        host,
        _,
        tokens,
    ):
        assert (
            case.ask(host, username=case.USERNAME, password=case.PASSWORD, tries=2) == case.DIGEST
        )
    assert [authorization for _, authorization in tokens] == [f'Basic {case.BASIC}']


@pytest.mark.parametrize('said', [None, 0, -1, 'soon'])
@pytest.mark.parametrize(('later', 'asked_for'), [(50, 1), (61, 2)])
def test_a_token_whose_life_is_not_told_lives_a_minute(said, later, asked_for, monkeypatch):
    passed = [0.0]
    real = time.monotonic
    document = {'token': case.TOKEN, 'expires_in': said}
    with case.token_registry(document) as (host, _, tokens), registry.Client(host) as client:
        monkeypatch.setattr(time, 'monotonic', lambda: real() + passed[0])
        client.head_manifest('team/app', '1.0')
        passed[0] = later
        client.head_manifest('team/app', '1.0')
    assert len(tokens) == asked_for


@pytest.mark.parametrize(
    'challenge', ['Bearer realm="{}/one", Bearer realm="{}/two"', 'Basic realm="x", Bearer {}']
)
def test_of_several_challenges_the_first_bearer_counts_and_basic_only_without_one(challenge):
    with case.registry_that(lambda exchange: exchange.reply(200, b'{"token": "a"}')) as (
        tokens,
        asked,
    ):
        written = challenge.replace('Bearer {}', 'Bearer realm="{}/one"')
        written = written.replace('{}', f'http://{tokens}')

        def answer(exchange):
            if exchange.headers.get('Authorization') == 'Bearer a':
                case.has(exchange)
            else:
                exchange.reply(401, WWW_Authenticate=written)

        with case.registry_that(answer) as (host, _):
            assert case.ask(host, username=case.USERNAME, password=case.PASSWORD) == case.DIGEST
    assert [path.partition('?')[0] for _, path, _ in asked] == ['/one']


def test_an_image_to_look_up_shows_no_password():
    image = registry.Lookup(
        reference.Reference.parse('r.test/app:1'), case.USERNAME, case.PASSWORD
    )
    assert image.password == case.PASSWORD
    assert case.PASSWORD not in f'{image} {image!r} {[image]}'
    assert 'r.test' in repr(image)


def oauth(exchange):
    realm = f'Bearer realm="http://{exchange.headers["Host"]}/token",service="ours"'
    if exchange.headers.get('Authorization') == f'Bearer {case.TOKEN}':
        case.has(exchange)
    elif exchange.path != '/token':
        exchange.reply(401, WWW_Authenticate=realm)
    elif b'refresh_token=hunter2' in exchange.body():
        exchange.reply(401)
    else:
        exchange.reply(200, json.dumps({'access_token': case.TOKEN}).encode())


def test_an_identity_token_is_exchanged_for_a_token():
    forms = []

    def answer(exchange):
        if exchange.path == '/token':
            forms.append((exchange.command, urllib.parse.parse_qs(exchange.body().decode())))
        oauth(exchange)

    with case.registry_that(answer) as (host, asked):
        assert case.ask(host, identity_token='an identity') == case.DIGEST
    assert [authorization for _, _, authorization in asked] == [
        *(None, None),
        f'Bearer {case.TOKEN}',
    ]
    form = {
        'grant_type': ['refresh_token'],
        'service': ['ours'],
        'client_id': ['charm-image'],
        'scope': ['repository:team/app:pull'],
        'refresh_token': ['an identity'],
    }
    assert forms == [('POST', form)]


def test_an_identity_token_that_is_refused_is_not_shown():
    with case.registry_that(oauth) as (host, _):
        error = case.failure_of(case.ask, host, identity_token='hunter2')
    assert type(error) is registry.BadCredentialsError


def test_a_program_says_itself_how_to_give_credentials():
    with case.registry_that(case.wants_basic) as (host, _):
        error = case.failure_of(case.ask, host, advice=registry.Advice(login='log in'))
    assert str(error).endswith('needs credentials: check the name, or log in')
