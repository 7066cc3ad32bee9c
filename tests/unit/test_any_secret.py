"""Whatever is said or attached, no credential of it is told: what hypothesis finds."""

import hypothesis
from charms import reactive
from hypothesis import strategies

from image_resource import reasons
from support.simulated import AVAILABLE, FAILED, SECRET

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
    kept = reasons.from_stderr(said.encode())
    assert 'S3cr' not in kept
    assert 't0p' not in kept


@hypothesis.given(strategies.binary())
def test_whatever_is_said_is_one_short_line(said):
    kept = reasons.from_stderr(said)
    assert kept.isprintable()
    assert len(kept) <= 200


@hypothesis.given(prefix=strategies.binary(), suffix=strategies.binary())
def test_no_content_whatsoever_makes_a_hook_fail_or_shows_a_credential(unit, prefix, suffix):
    unit.attached['my-image'] = prefix + SECRET.encode() + suffix
    unit.hook('upgrade-charm')
    assert unit.flags() in (AVAILABLE, FAILED)
    assert SECRET not in repr((unit.statuses, unit.logged, reactive.get_flags()))
