"""Long work tells how far it is: bytes of all, and the rate."""

import collections
import io
import json
import tempfile
import threading
from unittest import mock

import pytest

import charm_image
from charm_image import _concurrently
from charm_image._build import bases, build_target, buildx, engine_build, events
from charm_image._oci import local_image, oci_archive, platforms
from support import layouts

LAYER = layouts.tar([('a', bytes(3 << 20))])


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Tell at each report, not only every 10 s, and at no other time."""
    monkeypatch.setattr(events, 'INTERVAL', 1e-9)
    monkeypatch.setattr(_concurrently, 'SECOND', 600)


@pytest.fixture
def impatient(at_once, monkeypatch):
    """Tell also where there is no report for a moment."""
    monkeypatch.setattr(_concurrently, 'SECOND', 0.01)


def amounts(lines):
    """Give the lines that tell a rate, without it, since it depends on the machine."""
    return [str(line).rpartition(', ')[0] for line in lines if str(line).endswith('/s')]


def pulled(*reports):
    client = mock.Mock(pull=lambda *args, **kwargs: iter(reports))
    return [each for each in bases.Base(client, 'base', None)._pull() if each]


def report(layer, status, current=None, total=None, **more):
    sizes = {'current': current, 'total': total}
    detail = {**{name: size for name, size in sizes.items() if size is not None}, **more}
    return {'id': layer, 'status': status, 'progressDetail': detail}


def test_the_progress_of_a_pull_has_its_bytes_for_a_program_too():
    progress = pulled(report('a', 'Downloading', 1000, 5000))[-1]
    assert (progress.state, progress.done, progress.total) == ('pull', 1000, 5000)


def test_a_pull_tells_its_bytes_of_all():
    told = pulled(
        report('a', 'Downloading', 1000, 5000),
        report('b', 'Downloading', 1000, 3000),
        report('a', 'Download complete'),
        report('b', 'Downloading', None, 3000),
    )
    assert amounts(told) == [
        'base: 1 kB of 5 kB', 'base: 2 kB of 8 kB', 'base: 6 kB of 8 kB', 'base: 5 kB of 8 kB'
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('entry', 'sent'),
    [
        ({'auth': 'bWU6aHVudGVyMg=='}, {'username': 'me', 'password': 'hunter2'}),
        ({'identitytoken': 'hunter2'}, {'identitytoken': 'hunter2'}),
        ({}, {}),
        ({'auth': '!'}, {}),
    ],
)
def test_pull_sends_the_login_for_the_registry_and_names_one_that_cannot_be_used(
    entry, sent, tmp_path, monkeypatch
):
    content = {'auths': {'other.test': {'auth': '!'}, 'https://registry.test/v1/': entry}}
    (tmp_path / 'config.json').write_text(json.dumps(content))
    for name in ('DOCKER_CONFIG', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME'):
        monkeypatch.setenv(name, str(tmp_path))
    client = mock.Mock()
    client.pull.return_value = iter([{'error': 'denied'}])
    with pytest.raises(charm_image.BuildError, match='denied') as caught:
        list(bases.Base(client, 'registry.test/base', None)._pull())
    assert client.pull.call_args.kwargs['auth_config'] == sent
    assert ('log in again' in str(caught.value)) == (entry == {'auth': '!'})


def test_a_pull_reports_the_extraction_once_all_layers_are_there():
    told = pulled(
        report('a', 'Pulling fs layer'),
        report('b', 'Pulling fs layer'),
        report('c', 'Already exists'),
        report('a', 'Downloading', 5000, 5000),
        report('a', 'Download complete'),
        report('a', 'Extracting', 1000, 5000),
        report('b', 'Downloading', 1000, 3000),
        report('b', 'Download complete'),
        report('a', 'Extracting', 4000, 5000),
        report('a', 'Pull complete'),
        report('b', 'Extracting', 1500, 3000),
    )
    assert amounts(told)[-5:] == [
        'base: 6 kB of 8 kB',
        'base: extracting: 1 kB of 8 kB',
        'base: extracting: 4 kB of 8 kB',
        'base: extracting: 5 kB of 8 kB',
        'base: extracting: 6.5 kB of 8 kB',
    ]


def test_a_pull_does_not_take_the_seconds_of_containerds_store_for_bytes():
    told = pulled(
        report('a', 'Downloading', 5000, 5000),
        report('a', 'Extracting', 7, units='s'),
    )
    assert str(told[-1]) == 'base: extracting: 0 s so far'


def test_a_pull_reports_by_the_clock_an_extraction_without_a_word(impatient):
    told_it = threading.Event()

    def reports(*args, **kwargs):
        yield report('a', 'Downloading', 5000, 5000)
        yield report('a', 'Download complete')
        assert told_it.wait(30)

    lines = []
    for line in bases.Base(mock.Mock(pull=reports), 'base', None)._pull():
        lines.append(line)
        if str(line) == 'base: extracting: 0 s so far':
            told_it.set()
    assert told_it.is_set(), lines


def test_with_ticks_raises_what_its_items_raise_and_ends_them_if_nobody_reads_on():
    closed = threading.Event()

    def failing():
        yield 1
        raise ValueError('why')

    def endless():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    items = _concurrently.with_ticks(failing())
    assert next(items) == 1
    with pytest.raises(ValueError, match='why'):
        next(items)
    items = _concurrently.with_ticks(endless())
    next(items)
    items.close()
    assert closed.wait(30)


def test_a_build_is_stopped_while_its_engine_prepares_an_export(impatient, monkeypatch):
    answered = threading.Event()

    def export(client, image, timeout):
        yield from [b'late'] * answered.wait(60)

    monkeypatch.setattr(local_image, 'export', export)
    build = engine_build.EngineBuild(build_target.Target(None, mock.Mock()), mock.Mock())
    saving = build.save(io.BytesIO())
    assert str(next(saving)) == 'saving the image'
    build.stop()
    try:
        with pytest.raises(charm_image.BuildError, match='stopped'):
            collections.deque(saving, maxlen=0)
        assert not answered.is_set()
    finally:
        answered.set()


def export(monkeypatch, *chunks):
    monkeypatch.setattr(local_image, 'export', lambda client, image, timeout: iter(chunks))
    target = build_target.Target(None, mock.Mock(from_image='scratch'))
    build = engine_build.EngineBuild(target, mock.Mock())
    output = io.BytesIO()
    return [str(each) for each in build.save(output)], output


def test_an_export_tells_its_bytes(monkeypatch):
    told, output = export(monkeypatch, bytes(2000), bytes(3000))
    assert told[0] == 'saving the image'
    assert amounts(told) == ['saving the image: 2 kB', 'saving the image: 5 kB']
    assert len(output.getvalue()) == 5000


def test_an_archive_tells_the_bytes_that_are_read_and_written(tmp_path):
    saved = oci_archive.SavedImage(io.BytesIO(layouts.docker_20(layouts.Image((LAYER,)))))
    read = [str(each) for each in events.watched('reading the image', saved.measure())]
    assert amounts(read)[-1] == 'reading the image: 3.16 MB of 3.16 MB'
    archive = oci_archive.ArchiveWriter.for_platforms(
        {platforms.parse('linux/amd64'): saved}, None
    )
    writing = archive.write(tmp_path / 'image.tar')
    written = [str(each) for each in events.watched('writing image.tar', writing)]
    assert 'writing image.tar: 1.05 MB of 3.16 MB' in amounts(written)
    assert archive.digest.startswith('sha256:')


def test_a_builder_of_buildx_tells_the_bytes_of_the_image_as_they_come(
    impatient, tmp_path, monkeypatch
):
    (tmp_path / 'docker').write_text(
        '#!/bin/sh\n'
        'for word; do case $word in --output=*) result=${word#*dest=};; esac; done\n'
        'head -c 4000 /dev/zero >"$result"\n'
        f'until [ -e {tmp_path}/told ]; do sleep 0.01; done\n'
        'echo "ERROR: enough" >&2\nexit 1\n'
    )
    (tmp_path / 'docker').chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
    target = mock.Mock(platform=None, network=None, proxies={}, archive=tempfile.TemporaryFile)
    target.plan = mock.Mock(instructions=lambda settings: [(None, 'FROM scratch')], secrets={})
    target.settings = mock.Mock(arguments={})
    with buildx.BuildxBuild(target, 'my-cluster') as build:
        progress = build.build()
        line = str(next(progress))
        (tmp_path / 'told').touch()
        with pytest.raises(Exception, match='enough'):
            list(progress)
    assert line.startswith('saving the image: 4 kB, ')


def test_the_result_of_a_builder_of_buildx_is_saved_with_its_bytes_of_all():
    with buildx.BuildxBuild(mock.Mock(), 'my-cluster') as build:
        build._result.write_bytes(bytes(2_500_000))
        output = io.BytesIO()
        told = [str(each) for each in build.save(output)]
    assert told[0] == 'saving the image'
    assert amounts(told)[0] == 'saving the image: 1.05 MB of 2.5 MB'
    assert len(output.getvalue()) == 2_500_000
