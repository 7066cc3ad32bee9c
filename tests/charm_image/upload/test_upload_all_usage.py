"""charm-upload-resources: the charm that it reads, and its options."""

import os
import re
import zipfile

import pytest
import yaml

from support.charm_cases import LOCAL, rows, sent, write


def built(folder, path):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.write(folder / 'metadata.yaml', 'metadata.yaml')
        archive.writestr('hooks/install', '#!/bin/sh\n')
    return path.name


def moved(folder, path):
    os.rename(folder / 'metadata.yaml', folder / 'charmcraft.yaml')
    return folder.name


def parted(folder, path):
    content = yaml.safe_load((folder / 'metadata.yaml').read_text())
    write(folder / 'charmcraft.yaml', {'type': 'charm', 'resources': content.pop('resources')})
    write(folder / 'metadata.yaml', content)
    return folder.name


@pytest.mark.parametrize(
    'make',
    [
        lambda folder, path: str(folder),
        lambda folder, path: f'{folder.name}/metadata.yaml',
        built,
        moved,
        parted,
    ],
    ids=['a folder', 'its metadata.yaml', 'a built charm', 'a charmcraft.yaml', 'both'],
)
def test_a_charm_is_read_as_a_folder_as_its_metadata_or_built(make, upload_all, charm, tmp_path):
    path = make(charm, tmp_path / 'my.charm')
    done = upload_all(path, '--only', 'side', '--dry-run')
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout)['side'][2] == 'checked'


@pytest.mark.parametrize(
    ('make', 'said'),
    [
        (lambda path: None, 'not an existing file or directory'),
        (lambda path: path.mkdir(), 'has no metadata.yaml'),
        (lambda path: path.write_text('a: [b'), r'is not valid YAML \(line 1\)'),
        (lambda path: path.write_text('- a'), 'is not a mapping'),
        (lambda path: path.write_text('resources: {}'), 'the name of the charm is missing'),
        (lambda path: path.write_text('name: a\nresources: [b]'), 'resources is not a mapping'),
        (lambda path: path.write_text('name: a\nresources: {b: c}'), "'b' is not a mapping"),
        (
            lambda path: path.write_text('name: a\nresources: {b: {type: x}}'),
            "'b' is of type 'x'",
        ),
        (lambda path: path.write_bytes(bytes(2 << 20)), 'larger than 1 MiB'),
        (lambda path: os.mkfifo(path), 'not an existing file or directory'),
    ],
)
def test_a_path_that_is_not_a_charm_is_reported(make, said, hub, upload_all, tmp_path):
    make(tmp_path / 'odd')
    done = upload_all('odd')
    assert (done.returncode, done.stdout) == (1, '')
    assert re.search(said, done.stderr)
    assert 'Traceback' not in done.stderr
    assert hub.requests == []


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (['--image', 'absent=local.tar'], "declares no resource 'absent'"),
        (['--filepath', 'app=data.txt'], "'app' is of type 'oci-image'"),
        (['--image', 'data=local.tar'], "'data' is of type 'file'"),
        (['--only', 'absent'], "declares no resource 'absent'"),
        (['--only', 'app', *LOCAL], "--only does not include 'data'"),
        (['--image', 'local=local.tar', '--image', 'local=local.tar'], 'given twice'),
        (['--image', 'local.tar'], 'not of the form NAME=VALUE'),
        (['--filepath', 'data=absent'], "'absent' does not exist"),
        (['--image', 'local=127.0.0.1:1/x:1'], 'can move to a different image'),
        (['--unknown'], 'unrecognized'),
    ],
)
def test_options_that_are_wrong_are_reported_before_anything_is_asked(
    options, said, hub, upload_all, charm
):
    done = upload_all('charm', *options)
    assert (done.returncode, done.stdout) == (2, '')
    assert said in done.stderr
    assert hub.requests == []


def test_a_tag_is_refused_with_what_to_type_for_this_resource(upload_all, charm, tagged):
    reference, digest = tagged['app']
    done = upload_all('charm', '--image', f'local={reference}')
    repository = reference.rpartition(':')[0]
    assert f'--from local={repository}@{digest}' in done.stderr


def test_a_charm_that_charmhub_does_not_know_is_reported_once(hub, upload_all, charm):
    del hub.charms['my-app']
    done = upload_all('charm', *LOCAL)
    assert done.returncode == 1
    assert done.stderr.count("has no charm 'my-app'") == 1
    assert sent(hub) == []


def test_a_resource_that_charmhub_does_not_know_yet_fails_alone(hub, upload_all, charm):
    del hub.charms['my-app'].resources['app']
    done = upload_all('charm', '--only', 'app', '--only', 'side')
    assert done.returncode == 1
    assert "has no resource 'app'" in done.stderr
    assert rows(done.stdout)['side'][2] == '1'


def test_help_tells_of_every_option(upload_all):
    done = upload_all('--help')
    assert done.returncode == 0
    for option in ('--image', '--from', '--filepath', '--only', '--dry-run', '--format'):
        assert option in done.stdout
    assert 'exit status:' in done.stdout
