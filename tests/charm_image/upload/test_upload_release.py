"""charm-upload-resources --release."""

import json

import pytest

from charm_image import _errors, upload
from support import charmhub_records
from support.charm_cases import LOCAL, rows, sent

ALL = {'app': 1, 'side': 1, 'local': 1, 'data': 1}
ATTACHED = " (attaching resources: 'app' r1, 'side' r1, 'local' r1, 'data' r1)"


@pytest.fixture
def my_app(hub, charm):
    """The charm at Charmhub, with three revisions."""
    charm = hub.charms['my-app']
    charm.builds.update({2: charmhub_records.Build(), 3: charmhub_records.Build()})
    charm.tracks = ('latest', '1.0')
    return charm


@pytest.fixture
def uploader(hub):
    with upload.Uploader(
        credentials=hub.environment['CHARMCRAFT_AUTH'], api_url=hub.url, storage_url=hub.url
    ) as uploader:
        yield uploader


def released(charm):
    return {channel: (each.revision, each.resources) for channel, each in charm.releases.items()}


def test_the_newest_revision_is_released_with_what_was_uploaded(my_app, upload_all):
    done = upload_all(
        'charm', *LOCAL, '--release', 'edge,1.0/beta/fix', '--release', 'latest/edge'
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == [
        '',
        f"Revision 3 of 'my-app' released to latest/edge{ATTACHED}",
        f"Revision 3 of 'my-app' released to 1.0/beta/fix{ATTACHED}",
    ]
    assert released(my_app) == {'latest/edge': (3, ALL), '1.0/beta/fix': (3, ALL)}
    assert 'charmcraft release' not in done.stdout


def test_a_revision_of_the_charm_is_chosen(my_app, upload_all):
    done = upload_all('charm', *LOCAL, '--release=edge', '--charm-revision=2')
    assert done.returncode == 0, done.stderr
    assert released(my_app) == {'latest/edge': (2, ALL)}


def test_a_second_run_sends_nothing_and_releases_the_same(hub, my_app, upload_all):
    assert upload_all('charm', *LOCAL, '--release=edge').returncode == 0
    hub.requests.clear()
    done = upload_all('charm', *LOCAL, '--release=edge')
    assert done.returncode == 0, done.stderr
    posts = [path for path in sent(hub) if '/v1/charm' in path and '/blob' not in path]
    assert posts == ['/v1/charm/my-app/releases']
    assert released(my_app) == {'latest/edge': (3, ALL)}


def test_resources_that_are_left_out_are_shown_with_what_charmhub_adds(my_app, upload_all):
    assert upload_all('charm', *LOCAL, '--release=edge').returncode == 0
    done = upload_all('charm', '--only', 'side', '--release=beta')
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if 'released to latest/beta' in line]
    assert "'side' r1" in line
    assert "'data' r1" in line
    assert released(my_app)['latest/beta'] == (3, ALL)


def test_a_resource_without_any_revision_is_refused_by_charmhub_and_the_table_is_printed(
    my_app, upload_all
):
    done = upload_all('charm', '--only', 'side', '--release=beta')
    assert done.returncode == 1
    assert rows(done.stdout)['side'][2] == '1'
    assert done.stdout.splitlines()[-1] == (
        'charmcraft release my-app --revision=3 --channel=latest/beta --resource=side:1'
    )
    assert "Resource 'app' doesn't have a released revision for charm" in done.stderr
    assert '`charmcraft resources my-app` lists them.' in done.stderr
    assert my_app.releases == {}


def test_a_release_is_not_made_if_one_resource_failed(hub, my_app, upload_all, tmp_path):
    (tmp_path / 'data.txt').unlink()
    (tmp_path / 'data.txt').mkdir()
    done = upload_all('charm', *LOCAL, '--release=edge')
    assert done.returncode == 1
    assert rows(done.stdout)['side'][2] == '1'
    assert 'Nothing is released, because the upload failed: data\n' in done.stderr
    assert my_app.releases == {}
    assert hub.asked('POST', '/releases$') == []


def test_a_dry_run_checks_the_release_and_makes_none(hub, my_app, upload_all):
    done = upload_all('charm', *LOCAL, '--release=edge,beta', '--dry-run')
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [
        "Revision 3 of 'my-app' would be released to latest/edge",
        "Revision 3 of 'my-app' would be released to latest/beta",
    ]
    assert sent(hub) == []


def test_a_dry_run_in_which_one_fails_says_that_nothing_would_be_released(
    my_app, upload_all, there
):
    options = ('--from', f'local={there.host}/absent@sha256:{64 * "a"}', '--release=edge')
    done = upload_all('charm', *options, '--dry-run')
    assert done.returncode == 1
    assert 'Nothing is released, because the upload failed: local\n' in done.stderr
    assert 'would be released' not in done.stdout


@pytest.mark.parametrize(
    ('options', 'change', 'said'),
    [
        (['--release=2.0/edge'], {}, "no track '2.0'. It has: latest, 1.0. To add it, run `ch"),
        (['--release=edge', '--charm-revision=9'], {}, 'no revision 9. The newest one is 3.'),
        (['--release=edge', '--charm-revision=2'], {'status': 'rejected'}, 'was rejected by the'),
        (
            ['--release=edge', '--charm-revision=2'],
            {'resources': ('app',)},
            "Revision 2 of the charm 'my-app' does not declare the resource",
        ),
    ],
)
def test_a_release_that_is_not_possible_is_reported_before_anything_is_sent(
    options, change, said, hub, my_app, upload_all
):
    my_app.builds[2] = charmhub_records.Build(**change)
    done = upload_all('charm', *LOCAL, *options)
    assert (done.returncode, done.stdout) == (1, '')
    assert said in done.stderr
    assert sent(hub) == []


@pytest.mark.parametrize(
    ('restricted', 'said'),
    [
        ({'permissions': ['package-manage-revisions', 'package-view']}, 'releases of'),
        ({'packages': [{'type': 'charm', 'name': 'another'}]}, 'releases of'),
        ({'channels': ['beta']}, 'releases to latest/edge'),
    ],
)
def test_credentials_that_do_not_allow_it_are_reported_with_what_to_do(
    restricted, said, hub, my_app, upload_all
):
    vars(hub).update(restricted)
    done = upload_all('charm', *LOCAL, '--release=edge,beta')
    assert done.returncode == 1
    assert f'they do not allow {said}' in done.stderr
    assert 'charmcraft login --export=FILE --charm=my-app --permission=package-m' in done.stderr
    assert sent(hub) == []


def test_credentials_that_may_not_view_need_the_number_of_a_revision(hub, my_app, upload_all):
    hub.permissions = ['package-manage']
    assert upload_all('charm', *LOCAL, '--release=edge').returncode == 1
    done = upload_all('charm', *LOCAL, '--release=edge', '--charm-revision=2')
    assert done.returncode == 0, done.stderr
    assert 'channels, revision and resources are not checked before the release' in done.stderr
    assert released(my_app) == {'latest/edge': (2, ALL)}


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (['--release=1.0'], "'1.0' is not a channel: use [TRACK/]RISK[/BRANCH]"),
        (['--release=edge,'], "'' is not a channel"),
        (['--release=Edge'], "'Edge' is not a channel"),
        (['--release=a/edge/b/c'], 'is not a channel'),
        (['--release=latest/edge/-x'], 'is not a channel'),
        (['--release=la\x1btest/edge'], 'is not a channel'),
        (['--charm-revision=1'], '--charm-revision is only for --release'),
        (['--release=edge', '--charm-revision=-1'], "'-1' is not the number of a revision"),
        (['--release=edge', '--image=absent=local.tar'], "declares no resource 'absent'"),
    ],
)
def test_options_that_are_wrong_are_reported_before_anything_is_asked(
    options, said, hub, my_app, upload_all
):
    done = upload_all('charm', *options)
    assert (done.returncode, done.stdout) == (2, '')
    assert said in done.stderr
    assert hub.requests == []


def test_a_script_gets_what_was_released_or_why_not_as_json(my_app, upload_all):
    done = upload_all('charm', '--only=side', '--release=edge', '--format=json')
    assert done.returncode == 1
    content = json.loads(done.stdout)
    assert content['errors'][0]['code'] == 'invalid-request'
    assert content['releases'] == [
        {
            'channel': 'latest/edge',
            'charm-revision': 3,
            'status': 'failed',
            'resources': [{'name': 'side', 'revision': None}],
        }
    ]
    assert content['release'].startswith('charmcraft release my-app --revision=3 --channel=lat')
    done = upload_all('charm', *LOCAL, '--release=edge', '--format=json')
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert content['release'] is None
    assert content['releases'] == [
        {
            'channel': 'latest/edge',
            'charm-revision': 3,
            'status': 'released',
            'resources': [{'name': name, 'revision': number} for name, number in ALL.items()],
        }
    ]


def test_a_program_releases_what_it_likes(hub, my_app, upload_all, uploader):
    assert upload_all('charm', *LOCAL).returncode == 0
    planned = uploader.release('my-app', ['edge'], {'data': None}, dry_run=True)
    assert planned == [upload.Release('latest/edge', 3, {'data': None})]
    (made,) = uploader.release('my-app', ['edge'], ALL, charm_revision=1)
    assert (made.channel, made.revision, made.resources) == ('latest/edge', 1, ALL)
    with pytest.raises(_errors.ArgumentError, match='give its number'):
        uploader.release('my-app', ['edge'], {'data': None})
