"""What the registry client reads in a WWW-Authenticate header (RFC 7235)."""

import pytest

from container_image import challenges


@pytest.mark.parametrize(
    ('header', 'expected'),
    [
        ('', []),
        ('Negotiate', [('negotiate', {})]),
        ('Basic realm="simple"', [('basic', {'realm': 'simple'})]),
        ('Basic realm=simple', [('basic', {'realm': 'simple'})]),
        ('BASIC REALM="case"', [('basic', {'realm': 'case'})]),
        ('Basic realm = "white"', [('basic', {'realm': 'white'})]),
        ('Basic realm=""', [('basic', {'realm': ''})]),
        (r'Basic realm="a \"quoted\" word\\"', [('basic', {'realm': 'a "quoted" word\\'})]),
        (
            'Bearer realm="https://auth.example.com/token",service="registry.example.com",'
            'scope="repository:team/app:pull,push"',
            [
                (
                    'bearer',
                    {
                        'realm': 'https://auth.example.com/token',
                        'service': 'registry.example.com',
                        'scope': 'repository:team/app:pull,push',
                    },
                )
            ],
        ),
        (
            'Bearer realm="https://a/t" , service="s, with commas" , '
            'scope="repository:a:pull repository:b:pull,push"',
            [
                (
                    'bearer',
                    {
                        'realm': 'https://a/t',
                        'service': 's, with commas',
                        'scope': 'repository:a:pull repository:b:pull,push',
                    },
                )
            ],
        ),
        (
            'Bearer realm=https://a/t,service=s',
            [('bearer', {'realm': 'https://a/t', 'service': 's'})],
        ),
        (
            'Basic realm="x", Bearer realm="y", error="invalid_token"',
            [('basic', {'realm': 'x'}), ('bearer', {'realm': 'y', 'error': 'invalid_token'})],
        ),
        (
            'Negotiate dG9rZW4=, NTLM, Basic realm="x"',
            [('negotiate', {}), ('ntlm', {}), ('basic', {'realm': 'x'})],
        ),
        ('Bearer realm="first",realm="second"', [('bearer', {'realm': 'first'})]),
        (
            'Basic realm="Basic realm=no, Bearer no"',
            [('basic', {'realm': 'Basic realm=no, Bearer no'})],
        ),
        (',, Basic ,, realm="x",', [('basic', {'realm': 'x'})]),
    ],
)
def test_challenges_are_read_whatever_stands_inside_quotes(header, expected):
    assert challenges.parse(header) == expected


@pytest.mark.parametrize(
    'header', ['realm="nobody asked"', '"', '=', 'Basic realm="no end', '\x00', '€', 'Basic =,=']
)
def test_what_is_no_challenge_has_no_realm(header):
    assert not any(parameters for _, parameters in challenges.parse(header))


@pytest.mark.parametrize('piece', ['a', 'a ', 'a=', '"', 'a="', 'a="\\', ',', ' ', 'Basic "', '='])
def test_a_header_made_to_be_slow_is_read_at_once(piece):
    header = 'Basic ' + piece * (65536 // len(piece)) + '"'
    assert isinstance(challenges.parse(header), list)
