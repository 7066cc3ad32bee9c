"""charm-resource-revisions: what there is of a resource."""

import json

import pytest

from charm_image import upload as uploads
from support import charmhub_records, layouts, remote_images
from support.charm_cases import AMD64, ARM64
from support.uploads import PROGRAM, in_terminal

COLUMNS = ['Rev', 'Created', 'Arch', 'Digest', 'Size', 'Version', 'Channels']
LABEL = 'org.opencontainers.image.version'


def labelled(version):
    layers = (layouts.tar([('file', version.encode() * 1000)]),)
    return remote_images.image(layouts.Image(layers, labels=((LABEL, version),)))


@pytest.fixture
def images(upload, there, repository):
    """Two revisions of an image, the second one for two platforms."""
    made = [labelled('1.2.3'), remote_images.image(AMD64, ARM64)]
    for each in made:
        done = upload('my-charm', 'my-image', f'--from={each.push(there.host, repository)}')
        assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def files(hub, upload, tmp_path):
    """Two revisions of a file, the first one in two channels."""
    for number, content in enumerate((b'one', b'second')):
        (tmp_path / f'file{number}').write_bytes(content)
        done = upload('my-charm', 'my-file', f'--filepath=file{number}', '--arch=arm64,amd64')
        assert done.returncode == 0, done.stderr
    for channel in ('latest/edge', 'latest/beta'):
        hub.charms['my-charm'].releases[channel] = charmhub_records.Release(1, {'my-file': 1})
    return [remote_images.digest_of(content) for content in (b'one', b'second')]


def size(stored):
    return sum(map(len, stored.blobs.values()))


def test_a_file_is_listed_with_its_architectures_digest_size_and_channels(list_revisions, files):
    done = list_revisions('my-charm', 'my-file')
    assert (done.returncode, done.stderr) == (0, "Reading the revisions of 'my-file'\n")
    head, *rows = [line.split('  ') for line in done.stdout.splitlines()]
    assert [cell.strip() for cell in filter(None, head)] == [*COLUMNS[:5], 'Channels']
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    created = '2026-01-02 03:04'
    assert cells == [
        ['2', created, 'arm64 amd64', files[1], '6 bytes', '-'],
        ['1', created, 'arm64 amd64', files[0], '3 bytes', 'latest/edge latest/beta'],
    ]


def test_an_image_is_listed_with_its_own_digest_size_and_version(list_revisions, images):
    done = list_revisions('my-charm', 'my-image', '--format=json')
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        'charm': 'my-charm',
        'resource': 'my-image',
        'revisions': [
            {
                'revision': number,
                'created-at': '2026-01-02T03:04:05Z',
                'architectures': architectures,
                'digest': stored.digest,
                'size': size(stored),
                'version': version,
                'channels': [],
            }
            for number, stored, architectures, version in (
                (2, images[1], ['amd64', 'arm64'], None),
                (1, images[0], ['amd64'], '1.2.3'),
            )
        ],
    }


def test_the_table_fits_a_terminal_of_80_columns(hub, environment, images, tmp_path):
    releases = hub.charms['my-charm'].releases
    for risk in ('stable', 'candidate', 'beta', 'edge', 'edge/with-a-branch'):
        releases[f'latest/{risk}'] = charmhub_records.Release(1, {'my-image': 1})
    status, shown = in_terminal(
        [PROGRAM.with_name('charm-resource-revisions'), 'my-charm', 'my-image', '-q'],
        {**environment, 'COLUMNS': '80'},
        tmp_path,
    )
    assert status == 0
    lines = shown.splitlines()
    assert lines[0].split() == COLUMNS
    assert max(map(len, lines)) <= 80
    for word in (images[0].digest[7:19], '2026-01-02', '1.2.3', 'latest/candidate'):
        assert word in shown.split()


def test_revisions_without_what_is_not_public_have_a_line_about_it(hub, list_revisions, images):
    hub.charms['my-charm'].private = True
    done = list_revisions('my-charm', 'my-image')
    assert done.returncode == 0
    assert 'Which images they are is only known of public charms: ' in done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.split() == ['Rev', 'Created', 'Arch']
    assert [row.split()[0] for row in rows] == ['2', '1']


def test_an_image_that_is_gone_keeps_its_digest(hub, list_revisions, images):
    hub.registry_proxy.answer('GET', '/manifests/', 404, times=9)
    done = list_revisions('my-charm', 'my-image', '--format=json')
    assert done.returncode == 0
    revisions = json.loads(done.stdout)['revisions']
    assert [each['digest'] for each in revisions] == [images[1].digest, images[0].digest]
    assert [each['size'] for each in revisions] == [None, None]
    assert 'images of revisions 1, 2\n' in done.stderr


@pytest.mark.parametrize(
    'content', [b'', b'[]', b'{"ImageName": "A B"}', b'[' * 9999, b'x' * 99999]
)
def test_a_revision_that_does_not_refer_to_an_image_has_none(content, hub, list_revisions, images):
    hub.revisions('my-charm', 'my-image')[0].content = content
    done = list_revisions('my-charm', 'my-image', '--format=json')
    assert done.returncode == 0, done.stderr
    revisions = json.loads(done.stdout)['revisions']
    assert [each['digest'] for each in revisions] == [images[1].digest, None]


def test_the_password_of_the_registry_is_not_shown(hub, list_revisions, images):
    hub.registry_proxy.answer('GET', '/manifests/', 403, times=9)
    password = json.loads(hub.revisions('my-charm', 'my-image')[0].content)['Password']
    done = list_revisions('my-charm', 'my-image')
    assert done.returncode == 0
    assert password not in done.stdout + done.stderr


def test_a_label_reaches_a_terminal_without_control_characters(
    upload, list_revisions, there, repository
):
    name = labelled('\x1b]0;x\x07' + 'y' * 500).push(there.host, repository)
    assert upload('my-charm', 'my-image', f'--from={name}').returncode == 0
    done = list_revisions('my-charm', 'my-image')
    assert '\x1b' not in done.stdout
    assert 'y' * 41 not in done.stdout


def test_channels_are_left_out_without_the_permission(hub, list_revisions, files):
    hub.permissions = ['package-view-revisions']
    done = list_revisions('my-charm', 'my-file', '--format=json')
    assert done.returncode == 0
    assert 'lack the permission package-view: channels are left out' in done.stderr
    assert [each['channels'] for each in json.loads(done.stdout)['revisions']] == [None, None]


def test_a_resource_without_revisions_is_said_to_have_none(list_revisions):
    done = list_revisions('my-charm', 'my-file')
    assert (done.returncode, done.stdout) == (0, 'No revisions found.\n')
    done = list_revisions('my-charm', 'my-file', '--format=json')
    assert json.loads(done.stdout)['revisions'] == []


@pytest.mark.parametrize('names', [('absent', 'my-file'), ('my-charm', 'absent')])
def test_a_charm_or_resource_that_does_not_exist_is_reported_with_what_to_do(
    names, list_revisions
):
    done = list_revisions(*names)
    assert (done.returncode, done.stdout) == (1, '')
    assert 'not found' in done.stderr
    assert f'`charmcraft resources {names[0]}` lists the resources.' in done.stderr


def test_names_that_are_wrong_are_refused_before_anything_is_asked(hub, list_revisions):
    done = list_revisions('../x', 'my-file')
    assert done.returncode == 2
    assert "'../x' is not a valid name" in done.stderr
    assert hub.requests == []


def test_a_program_gets_them_as_objects(hub, files):
    with uploads.Uploader(
        credentials=hub.environment['CHARMCRAFT_AUTH'], api_url=hub.url
    ) as uploader:
        newest, oldest = uploader.revisions('my-charm', 'my-file')
    assert newest == uploads.Revision(
        revision=2,
        time='2026-01-02T03:04:05Z',
        architectures=('arm64', 'amd64'),
        digest=files[1],
        size=6,
        channels=(),
    )
    assert oldest.channels == ('latest/edge', 'latest/beta')
