"""Images that are the same every time, on every engine."""

import hashlib
import json
import os
import tarfile
import time

import pytest

import charm_image
from charm_image import resources
from charm_image._oci import local_image

pytestmark = [pytest.mark.holds('the same'), pytest.mark.slow]

#: The digests of what each engine wrote, which are the same.
KNOWN = {}
#: The digest of the image of `files_only` on scratch, for linux/amd64.
GOLDEN = 'sha256:689f04c43feb910f9d012d44a4f03882b4d09280ff2978804edd8fee89757487'


def files_only(tmp_path):
    app = tmp_path / 'app'
    if not app.exists():
        (app / 'sub').mkdir(parents=True)
        (app / 'main.py').write_text('main')
        (app / 'sub/run').write_text('run')
        (app / 'link').symlink_to('sub/run')
    return [
        resources.File(name='/etc/motd', contents='hello', mode='640'),
        resources.Directory(name='/srv/app', source=app, mode='644', directory_mode='755'),
        resources.Directory(name='/var/lib/app', owner=5, group=6, mode=0o1750, parents=True),
        resources.Link(name='/srv/link', to='app', owner=7),
    ]


def layers_of(archive):
    """The layers and the configuration in an OCI archive."""
    with tarfile.open(archive) as tar:

        def blob(descriptor):
            return tar.extractfile(f'blobs/{descriptor["digest"].replace(":", "/")}')

        index = json.load(tar.extractfile('index.json'))
        manifest = json.load(blob(index['manifests'][0]))
        members = []
        for layer in manifest['layers']:
            with tarfile.open(fileobj=blob(layer)) as content:
                members.append(content.getmembers())
        return members, json.load(blob(manifest['config'])), index['manifests'][0]['digest']


@pytest.mark.parametrize('base', ['scratch', 'busybox'])
def test_files_directories_and_links_alone_give_the_same_bytes_everywhere(
    build, build_engine, tmp_path, base
):
    from_image = build_engine.busybox if base == 'busybox' else base
    made, output = files_only(tmp_path), tmp_path / 'image.tar'
    built = build(*made, from_image=from_image, output=output, cmd=['run'], ports=['8000-8001'])
    os.utime(tmp_path / 'app/main.py', (time.time(), time.time() + 5))
    again = build(*made, from_image=from_image, no_cache=True, cmd=['run'], ports=['8000-8001'])
    assert again.id == built.id
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    assert KNOWN.setdefault(base, digest) == digest
    assert built.contents['/srv/app/main.py'] == b'main'
    assert built.files['/srv/link'].linkname == 'app'
    assert built.stat('/etc/motd') == '0640 0:0'
    assert built.stat('/var/lib/app') == built.stat('/var/lib') == '1750 5:6'
    assert set(built.config['ExposedPorts']) == {'8000/tcp', '8001/tcp'}
    assert built.config['Cmd'] == ['run']
    if base == 'busybox':
        assert built.stat('/tmp') == '1777 0:0'
        assert '/bin/busybox' in built.files


def test_a_known_image_has_a_known_digest(build, tmp_path):
    built = build(
        *files_only(tmp_path),
        from_image='scratch',
        platform='linux/amd64',
        output=tmp_path / 'image.tar',
    )
    members, config, digest = layers_of(tmp_path / 'image.tar')
    assert digest == GOLDEN
    assert {each.mtime for layer in members for each in layer} == {315532800}
    assert config['created'] == '1980-01-01T00:00:00Z'
    assert built.config['Env'] == [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    ]


def test_assembly_heeds_what_the_base_has(build):
    base = build(
        resources.Execute(
            command=[
                'sh',
                '-c',
                'mkdir -m 1770 /shared; chown 3:4 /shared; ln -s shared /by-link;'
                ' echo old >/shared/kept; mkdir /full /empty; echo x >/full/x; ln -s x /ln',
            ],
        ),
        resources.User(name='app', uid=700),
    )
    built = build(
        resources.File(name='/by-link/new', contents='new', owner='app'),
        resources.File(name='/shared/kept', mode='600', owner=9),
        resources.File(name='/new/dir/file', contents=''),
        resources.Directory(name='/full', policy='remove-recursive'),
        resources.Directory(name='/empty', policy='remove'),
        resources.Directory(name='/absent', policy='remove'),
        resources.File(name='/etc/shadow', policy='remove'),
        resources.Link(name='/ln', policy='remove'),
        resources.Link(name='/kept', to='a', watches=['/ln']),
        resources.Link(name='/not', to='a', watches=['Directory[/absent]']),
        from_image=base.id,
    )
    assert built.contents['/shared/new'] == b'new'
    assert built.stat('/shared/new') == '0644 700:700'
    assert built.stat('/shared') == '1770 3:4'
    assert built.files['/by-link'].issym()
    assert built.contents['/shared/kept'] == b'old\n'
    assert built.stat('/shared/kept') == '0600 9:0'
    assert built.stat('/new/dir') == '0755 0:0'
    assert not {'/full', '/full/x', '/empty', '/etc/shadow', '/ln', '/not'} & set(built.files)
    assert '/kept' in built.files
    full = build(
        resources.Directory(id='gone', name='/full', policy='remove-recursive'),
        resources.Directory(name='/full', mode='700'),
        from_image=base.id,
    )
    assert '/full/x' not in full.files
    assert full.stat('/full') == '0700 0:0'


def test_an_unchanged_image_is_known_without_reading_its_base(
    build, tmp_path, cache_home, monkeypatch
):
    first = build(*files_only(tmp_path))
    assert len(list((cache_home / 'charm-image/images').iterdir())) == 1
    with monkeypatch.context() as patch:
        patch.setattr(local_image, 'export', None)
        again = build(*files_only(tmp_path), tag='tests:again')
    assert again.id == first.id
    assert {each.state for each in again.progress} == {'note', 'cached', 'built'}
    (tmp_path / 'app/main.py').write_text('changed')
    changed = build(*files_only(tmp_path))
    assert changed.contents['/srv/app/main.py'] == b'changed'
    for path in (cache_home / 'charm-image/images').iterdir():
        path.write_text('sha256:' + 64 * '0')  # of an image that the engine lost
    assert build(*files_only(tmp_path)).id == changed.id


def test_assembly_makes_what_a_builder_would_make(build, tmp_path):
    tree = tmp_path / 'tree'
    (tree / 'sub').mkdir(parents=True)
    (tree / 'sub/file').write_text('new')
    (tree / 'sub').chmod(0o711)
    tree.chmod(0o700)
    make = 'mkdir -p /there/sub; chmod 1777 /there; chown 5:6 /there /there/sub; ln -s there /by'
    base = build(resources.Execute(command=['sh', '-c', f'{make}; echo old >/there/kept']))
    made = [
        resources.Directory(name='/there', source=tree, owner=9, group=9),
        resources.Directory(name='/by', source=tree, owner=8, group=8),
        resources.Directory(name='/new/deep', source=tree),
        resources.File(name='/by/file', contents='x', owner=7, group=7),
        resources.File(name='/set', contents='x', mode='4755'),
        resources.Directory(name='/there/made', mode='2770'),
        resources.Link(name='/there/link', to='kept'),
    ]
    assembled = build(*made, from_image=base.id)
    built = build(*made, resources.Execute(command=['sh', '-c', ':']), from_image=base.id)

    def files(image):
        of_engines = ('/dev', '/proc', '/sys', '/run', '/etc')
        return {
            name: (image.stat(name), member.type, member.linkname, image.contents.get(name))
            for name, member in image.files.items()
            if not name.startswith(of_engines) and name != '/'
        }

    assert files(assembled) == files(built)


@pytest.mark.parametrize(
    ('resource', 'reason'),
    [
        (lambda: resources.File(name='/bin', contents=''), '/bin is a directory'),
        (lambda: resources.Link(name='/bin', to='a'), '/bin is a directory'),
        (lambda: resources.Link(name='/etc', policy='remove'), '/etc is not a symbolic link'),
        (lambda: resources.Directory(name='/etc/passwd'), '/etc/passwd is not a directory'),
        (lambda: resources.Directory(name='/a/b'), '/a does not exist or is not a directory'),
        (lambda: resources.File(name='/etc/passwd/x', contents=''), '/etc/passwd is not a dir'),
        (lambda: resources.Directory(name='/etc', policy='remove'), '/etc is not empty'),
        (lambda: resources.File(name='/a', contents='', owner='nobody-here'), 'nobody-here does'),
    ],
)
def test_assembly_reports_what_cannot_be_applied_with_its_line(build, resource, reason):
    with pytest.raises(charm_image.StepError) as caught:
        build(resource())
    assert reason in caught.value.output[-1]
    assert 'test_reproducible.py:' in str(caught.value)


EPOCH = 1_600_000_000


def commands():
    return [
        resources.User(name='app', home='/srv/app'),
        resources.Execute(command=['sh', '-c', 'echo made >/made; ln /made /hard; mkdir /d']),
        resources.File(name='/etc/motd', contents='hello'),
    ]


def test_source_date_epoch_gives_an_archive_no_later_time_and_the_same_digest(
    build, build_engine, tmp_path, monkeypatch
):
    monkeypatch.setenv('SOURCE_DATE_EPOCH', str(EPOCH))
    digests = set()
    for number in range(2):
        output = tmp_path / f'{number}.tar'
        build(*commands(), output=output, no_cache=True, env={'A': 'b'}, tag='tests:epoch')
        members, config, digest = layers_of(output)
        digests.add(digest)
        assert max(each.mtime for layer in members for each in layer) == EPOCH
        assert config['created'] == '2020-09-13T12:26:40Z'
        assert all(each['created'] <= '2020-09-13T12:26:40Z' for each in config['history'])
        assert 'A=b' in config['config']['Env']
        names = {each.name: each for layer in members for each in layer}
        assert any(each.islnk() for name, each in names.items() if name in ('hard', 'made'))
        time.sleep(1.1)
    assert len(digests) == 1
    with tarfile.open(tmp_path / '0.tar') as archive:
        assert {each.name for each in archive} > {'index.json', 'oci-layout'}


def test_source_date_epoch_counts_for_an_assembled_archive_too(build, tmp_path, monkeypatch):
    monkeypatch.setenv('SOURCE_DATE_EPOCH', '5')
    output = tmp_path / 'image.tar'
    build(resources.File(name='/a', contents='a'), from_image='scratch', output=output)
    members, config, _ = layers_of(output)
    assert {each.mtime for layer in members for each in layer} == {5}
    assert config['created'] == config['history'][0]['created'] == '1970-01-01T00:00:05Z'


def test_source_date_epoch_that_is_no_number_is_refused(build, monkeypatch):
    monkeypatch.setenv('SOURCE_DATE_EPOCH', 'yesterday')
    with pytest.raises(charm_image.ResourceError, match='SOURCE_DATE_EPOCH must be a number'):
        build(resources.File(name='/a', contents='a'))


def test_a_build_that_gives_two_images_names_the_files_that_differ(build, build_engine):
    built = build(*commands(), check_reproducible=True)
    assert 'both images are the same' in [each.text for each in built.progress]
    before = {each['Id'] for each in build_engine.client.api.images()}
    with pytest.raises(charm_image.BuildError) as caught:
        build(
            *commands(),
            resources.Execute(
                command=[
                    'sh',
                    '-c',
                    'cat /proc/sys/kernel/random/uuid >/once; echo a >/same;'
                    ' touch /$(cat /once); mkdir -m 70$(head -c 1 /dev/urandom | od -An'
                    ' -to1 | tail -c 2) /mode || :',
                ]
            ),
            check_reproducible=True,
        )
    lines = [line.strip() for line in str(caught.value).splitlines()]
    assert lines[0] == 'two builds of the image differ:'
    assert '/once: content' in lines
    assert sum('only in one of them' in line for line in lines) == 2
    assert not any('/same' in line for line in lines)
    assert len({each['Id'] for each in build_engine.client.api.images()} - before) <= 1
