"""What a hook tool says of its failure reaches a status as far as it is known: no credentials."""

import time

import pytest

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


@pytest.mark.parametrize(
    'character', ['x', '@', '?', '://', 'a ', 'https://', 'token', '0aA', '"']
)
def test_it_takes_no_longer_for_a_long_line(character):
    begun = time.process_time()
    shown(character * (64 * 1024 // len(character)))
    assert time.process_time() - begun < 5
