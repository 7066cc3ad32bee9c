"""charm-upload-resource: its arguments, and rights that are missing."""

import re

import pytest

from support.uploads import ABSENT, sent

pytestmark = pytest.mark.holds('uploads')


@pytest.mark.parametrize(
    ('value', 'advice'),
    [
        ('nginx', '`docker image inspect --format={{.Id}} nginx`'),
        ('nginx:latest', 'is a tag'),
        ('ubuntu/nginx:1.18', 'is a tag'),
        ('localhost:5000/nginx', 'is a name'),
        ('docker://nginx:latest', 'is a URL'),
        ('https://registry.example/nginx', '--from='),
        (f'docker-daemon:{ABSENT}', f'--image={ABSENT}'),
        ('oci-archive:my.rock', "'my.rock' does not exist"),
        ('sha256:70aa', '64 hexadecimal digits'),
        ('sha256:' + 65 * 'a', '64 hexadecimal digits'),
        ('sha512:' + 128 * 'a', 'the one that begins with "sha256:"'),
        ('70aa8983ec5', 'fewer than 12 digits'),
        ('cafe', 'is a name, or fewer'),
        ('./my.rock', 'does not exist'),
        ('my.rock', 'does not exist'),
        ('', 'give the digest'),
        ('; rm -rf $HOME', 'contains a space'),
    ],
)
def test_an_image_that_is_not_a_digest_is_reported_with_what_to_give_instead(
    hub, upload, value, advice
):
    done = upload('my-charm', 'my-image', f'--image={value}')
    assert (done.returncode, done.stdout) == (2, '')
    assert advice in done.stderr
    assert hub.requests == []


@pytest.mark.parametrize(
    'args',
    [
        [],
        ['my-charm'],
        ['my-charm', 'my-file'],
        ['my-charm', '--filepath=x'],
        ['my-charm', 'my-file', '--filepath=x', f'--image={ABSENT}'],
        ['my-charm', 'my-file', '--filepath=x', '--resume=y'],
        ['my-charm', 'my-file', 'more', '--filepath=x'],
        ['my/charm', 'my-file', '--filepath=x'],
        ['my-charm', '../my-file', '--filepath=x'],
        ['my-charm', 'my-file', '--file=x'],
        ['my-charm', 'my-file', '--filepath=x', '--fast'],
        ['my-charm', 'my-file', '--filepath=x', '--format=yaml'],
        ['my-charm', 'my-file', '--filepath=x', '--review-timeout=-1'],
        ['my-charm', 'my-file', '--filepath=x', '--review-timeout=nan'],
    ],
)
def test_usage_that_is_wrong_has_its_own_status(hub, upload, args):
    done = upload(*args)
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith('usage: charm-upload-resource CHARM RESOURCE')
    assert hub.requests == []


@pytest.mark.parametrize(
    ('unknown', 'named'),
    [
        (['--file=x'], "unknown argument '--file=x': did you mean --filepath=?"),
        (['--file', 'x'], "unknown argument '--file': did you mean --filepath?"),
        (['--images=x', '--quiet'], "unknown argument '--images=x': did you mean --image=?"),
        (['more'], "unknown argument 'more'"),
        ([], 'one of --filepath, --image, --from and --resume is required'),
    ],
)
def test_an_unknown_argument_is_named(upload, unknown, named):
    done = upload('my-charm', 'my-file', *unknown)
    assert done.returncode == 2
    assert done.stderr.endswith(f'charm-upload-resource: error: {named}\n')


def test_a_time_that_is_not_a_number_is_reported(upload):
    done = upload('my-charm', 'my-file', '--filepath=x', '--review-timeout=soon')
    assert "--review-timeout: 'soon' is not a number of seconds" in done.stderr


@pytest.mark.parametrize('args', [['-h'], ['--help'], ['help']])
def test_the_help_names_what_matters(upload, args):
    done = upload(*args)
    assert done.returncode == 0
    for word in ('--filepath', '--image', '--resume', 'CHARMCRAFT_AUTH', 'DOCKER_HOST', '130'):
        assert word in done.stdout


def test_version_and_description_are_one_line_each(upload):
    assert re.fullmatch(r'charm-upload-resource \d+\.\d+\.\d+\n', upload('--version').stdout)
    assert upload('--description').stdout == (
        'Upload a file or an OCI image to Charmhub as a resource revision\n'
    )


@pytest.mark.parametrize(
    ('args', 'reason'),
    [
        (['another', 'my-file', '--filepath=file'], "'author' has no charm 'another'"),
        (['my-charm', 'another', '--filepath=file'], "It has: 'my-file', 'my-image'."),
        (['my-charm', 'my-image', '--filepath=file'], 'Use --image=DIGEST.'),
        (['my-charm', 'my-file', '--image=my.rock'], 'Use --filepath=PATH.'),
        (['theirs', 'my-file', '--filepath=file'], 'make you a collaborator'),
        (['theirs', 'my-image', '--image=my.rock'], 'make you a collaborator'),
    ],
)
def test_the_charm_and_the_resource_are_checked_before_any_byte_is_sent(
    hub, upload, archive, tmp_path, args, reason
):
    (tmp_path / 'file').write_text('content')
    hub.add('theirs', {'my-file': 'file', 'my-image': 'oci-image'}, publisher='somebody')
    done = upload(*args)
    assert (done.returncode, done.stdout) == (1, '')
    assert reason in done.stderr
    assert sent(hub) == []


def test_a_collaborator_may_upload(hub, upload, tmp_path):
    (tmp_path / 'file').write_text('content')
    hub.add('theirs', {'my-file': 'file'}, publisher='somebody', collaborators=('author',))
    assert upload('theirs', 'my-file', '--filepath=file').returncode == 0


@pytest.mark.parametrize(
    'restriction',
    [
        {'packages': [{'type': 'charm', 'name': 'another'}]},
        {'permissions': ['package-view'], 'packages': None},
    ],
)
def test_restricted_credentials_are_reported_before_any_byte_is_sent(
    hub, upload, tmp_path, restriction
):
    (tmp_path / 'file').write_text('content')
    vars(hub).update(restriction)
    done = upload('my-charm', 'my-file', '--filepath=file')
    assert done.returncode == 1
    assert 'charmcraft login --export=FILE --charm=my-charm' in done.stderr
    assert sent(hub) == []


@pytest.mark.parametrize(
    ('resource', 'option'), [('my-file', '--filepath=my.rock'), ('my-image', '--image=my.rock')]
)
def test_credentials_that_may_upload_but_not_look_will_do(hub, upload, archive, resource, option):
    hub.permissions = ['package-manage']
    done = upload('my-charm', resource, option)
    assert done.returncode == 0, done.stderr
    assert 'not checked before the upload' in done.stderr


def test_expired_credentials_are_reported_before_any_byte_is_sent(hub, upload, tmp_path):
    (tmp_path / 'file').write_text('content')
    hub.expired_tokens.add(hub.token)
    done = upload('my-charm', 'my-file', '--filepath=file')
    assert done.returncode == 1
    assert 'charmcraft login --export=FILE' in done.stderr
    assert sent(hub) == []


def test_an_upload_without_a_login_says_how_to_log_in(hub, upload, tmp_path):
    (tmp_path / 'file').write_text('content')
    done = upload('my-charm', 'my-file', '--filepath=file', CHARMCRAFT_AUTH='')
    assert done.returncode == 1
    assert '`charmcraft login`' in done.stderr
    assert hub.requests == []


def test_a_login_that_charmcraft_keeps_in_the_keyring_is_found(hub, upload, environment, tmp_path):
    (tmp_path / 'file').write_text('content')
    host = hub.url.removeprefix('http://')
    entries = {('charmcraft', host): environment['CHARMCRAFT_AUTH']}
    (tmp_path / 'backend.py').write_text(
        f"""
import keyring.backend

class Keyring(keyring.backend.KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        return {entries}[service, username]

    def set_password(self, *args):
        raise AssertionError('it is only read')
"""
    )
    done = upload(
        'my-charm',
        'my-file',
        '--filepath=file',
        CHARMCRAFT_AUTH='',
        PYTHON_KEYRING_BACKEND='backend.Keyring',
        PYTHONPATH=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    'variable', ['CHARMCRAFT_STORE_API_URL', 'CHARMCRAFT_UPLOAD_URL', 'CHARMCRAFT_REGISTRY_URL']
)
def test_a_url_may_not_carry_credentials_unencrypted(hub, upload, archive, variable):
    done = upload('my-charm', 'my-image', f'--image={archive}', **{variable: 'http://a.example'})
    assert done.returncode == 1
    assert 'https://' in done.stderr
    assert sent(hub) == []


@pytest.mark.parametrize(
    'value',
    [
        '--from=https://me:s3cret@shared.example.com/app',
        '--from=me:s3cret@sha.example.com/app',
        '--image=docker-archive:me:s3cret@shared.example.com/app',
        '--image=me:s3cret@shared.example.com/app',
        '--image=/me:s3cret@x',
    ],
)
def test_a_password_in_an_argument_is_not_repeated(upload, value):
    done = upload('my-charm', 'my-image', value)
    assert done.returncode == 2
    assert 'leave out the credentials' in done.stderr
    assert 's3cret' not in done.stdout + done.stderr
