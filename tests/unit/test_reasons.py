"""What a hook tool says of its failure reaches a status without credentials."""

import time

import hypothesis
import pytest
from hypothesis import strategies

from image_resource import reasons


def shown(line):
    return reasons.from_stderr(line.encode('utf-8', 'surrogateescape'))


@pytest.mark.parametrize(
    ('line', 'kept'),
    [
        ('ERROR could not download resource: the store is down', 'the store is down'),
        ('ERROR resource#my-charm/my-image is away', 'resource#my-charm/my-image is away'),
        ('Get https://10.0.0.1:17070/a: i/o timeout', 'Get https://10.0.0.1:17070/a: i/o timeout'),
        ('a\n\nERROR  last \t one\n \n', 'last one'),
        ('first: https://u:p@h/x: EOF', 'first: https://h/x: EOF'),
        ('Get "https://u:p w/@d@h:5/x": EOF', 'Get "https://h:5/x": EOF'),
        ("Get 'http://u:p@h'", "Get 'http://h'"),
        ('u:p@h/x is down', '…h/x is down'),
        ('Get https://h/x?to=u:p@h is down', 'Get https://…'),
        ('Get https://h/x?sig=abc: connection refused', 'Get https://h/x… connection refused'),
        ('Get "https://h/x?a b": no such host', 'Get "https://h/x… no such host'),
        ('wrong password "x y"', 'wrong password…'),
        ('unauthorized: authentication required', 'unauthorized… authentication required'),
        ('Authorization: Basic dXNlcjpwdw==', 'Authorization…'),
        ('Bearer abc', 'Bearer…'),
        (
            'x509: certificate signed by unknown authority',
            'x509: certificate signed by unknown authority',
        ),
        ('sent MDAxOGxvY2F0aW9uIGNoYXJtc3Rv twice', 'sent … twice'),
        ('id 0123456789abcdef0123456789abcdef', 'id …'),
        (
            'parse "https://me:hun/ter2@h/v2/": invalid port ":hun" after host',
            'parse "https://h/v2/": invalid port…',
        ),
        ('', ''),
        ('\n \n', ''),
    ],
)
def test_what_is_kept(line, kept):
    assert shown(line) == kept


SECRETS = strategies.text(
    strategies.sampled_from('abcXYZ019/@ :?#&=%"\'\\<>{}()[].,;~+-_äß$!|*'),
    min_size=1,
    max_size=30,
).map(lambda text: f'S3cr{text}t0p')
NAMES = strategies.sampled_from(['me', 'docker-registry', 'a b', 'x@y', 'a/b', ''])
AROUND = strategies.sampled_from(
    [
        'ERROR could not download resource: {}',
        'failed after retrying: Get {}: connection refused',
        'failed: Get "{}": dial tcp 10.0.0.1:443: i/o timeout',
        "cannot read '{}' (is it there?)",
        '{}',
        'a {} b {}',
        'Get https://10.0.0.1/x: from {}',
    ]
)
CREDENTIALS = strategies.sampled_from(
    [
        'https://{name}:{secret}@registry.example.com:5000/v2/',
        'http://{name}:{secret}@[::1]/',
        'HTTPS://{name}:{secret}@h',
        '{name}:{secret}@registry.example.com',
        '//{name}:{secret}@h/x',
        'https://{secret}@h/x',
        'https://h/blob?X-Amz-Signature={secret}',
        'https://h/blob?{secret}',
        'https://h/b?se=2030&sig={secret}&x=1',
        'password: {secret}',
        'Password={secret}',
        '{{"Username": "{name}", "Password": "{secret}"}}',
        'Authorization: Bearer {secret}',
        'basic {secret}',
        'token "{secret}"',
        'access_token={secret}',
        'secret {secret}',
        'api-key: {secret}',
    ]
)


@hypothesis.settings(max_examples=500)
@hypothesis.given(AROUND, CREDENTIALS, NAMES, SECRETS)
def test_no_credential_is_kept_wherever_it_is_and_whatever_is_in_it(
    around, credential, name, secret
):
    said = around.replace('{}', credential.format(name=name, secret=secret))
    kept = shown(said)
    assert 'S3cr' not in kept
    assert 't0p' not in kept


@hypothesis.given(
    strategies.sampled_from(['invalid port ":{}" after host', 'invalid URL escape "{}"']), SECRETS
)
def test_what_go_takes_for_a_part_of_an_address_is_not_kept(said, secret):
    kept = shown(f'parse "https://me:{secret}@h/v2/": {said.format(secret)}')
    assert 'S3cr' not in kept
    assert 't0p' not in kept


@pytest.mark.parametrize(
    'name', ['my-image', 'oidc-authservice', 'token-server', 'basic', 'x' * 900]
)
@pytest.mark.parametrize(
    'said', ['resource "{}" not found', 'Get https://u: resource#app/{} not found']
)
def test_that_nothing_is_attached_is_known_whatever_the_resource_is_called(said, name):
    assert reasons.is_absent(f'ERROR {said.format(name)}\n'.encode())


def test_nothing_else_is_taken_for_that():
    assert not reasons.is_absent(b'ERROR resource "a": blob not found')
    assert not reasons.is_absent(b'')


@hypothesis.given(strategies.binary())
def test_whatever_is_said_is_one_short_line(said):
    kept = reasons.from_stderr(said)
    assert kept.isprintable()
    assert len(kept) <= 200


@pytest.mark.parametrize(
    'character', ['x', '@', '?', '://', 'a ', 'https://', 'token', '0aA', '"']
)
def test_it_takes_no_longer_for_a_long_line(character):
    begun = time.process_time()
    shown(character * (64 * 1024 // len(character)))
    assert time.process_time() - begun < 5


def test_what_is_the_end_of_a_longer_line_is_not_shown():
    assert reasons.from_stderr(b'the end', is_whole=False) == ''
    assert reasons.from_stderr(b'of a line\nthe end', is_whole=False) == 'the end'
