"""What a hook tool says of its failure reaches a status as far as it is known: no credentials."""

import time

import hypothesis
import pytest
from hypothesis import strategies

from image_resource import reasons


def shown(line):
    return reasons.from_stderr(line.encode('utf-8', 'surrogateescape'))


@pytest.mark.parametrize(
    ('line', 'reason'),
    [
        ('ERROR could not download resource: the store is down', ''),
        (
            'ERROR could not download resource: failed after retrying: Get https://api.charmhub.io'
            '/x: dial tcp: lookup api.charmhub.io: no such host',
            'failed after retrying: no such host',
        ),
        (
            'ERROR could not download resource: not implemented for restricted context',
            'not implemented for restricted context',
        ),
        ('Get https://10.0.0.1:17070/a: i/o timeout', 'i/o timeout'),
        ('connection refused\n\nERROR  last \t one: EOF\n \n', 'EOF'),
        ('Get "https://h/x": unexpected EOF', 'unexpected EOF'),
        ('the EOFs are many', ''),
        ('u:p@h/x is down', ''),
        ('wrong password "x y"', ''),
        ('Unauthorized: authentication required', 'Unauthorized: authentication required'),
        ('too many requests, too many requests', 'too many requests'),
        ('Authorization: Basic dXNlcjpwdw==', ''),
        (
            'x509: certificate signed by unknown authority',
            'certificate signed by unknown authority',
        ),
        ('', ''),
        ('\n \n', ''),
    ],
)
def test_what_is_known_of_it_is_told_and_nothing_else(line, reason):
    assert shown(line) == reason


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
def test_no_credential_is_told_wherever_it_is_and_whatever_is_in_it(
    around, credential, name, secret
):
    said = around.replace('{}', credential.format(name=name, secret=secret))
    kept = shown(said)
    assert 'S3cr' not in kept
    assert 't0p' not in kept


@pytest.mark.parametrize(
    'name', ['my-image', 'oidc-authservice', 'token-server', 'basic', 'x' * 900]
)
@pytest.mark.parametrize(
    'said', ['resource "{}" not found', 'Get https://u: resource#app/{} not found']
)
def test_that_juju_has_no_image_is_known_whatever_the_resource_is_called(said, name):
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
