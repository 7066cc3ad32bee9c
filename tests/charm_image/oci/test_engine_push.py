"""charm_image._oci.engine_push: what engines send, and what they keep of it."""

import os
import signal
import subprocess
import sys
import threading

import pytest

import charm_image
from charm_image._oci import documents as documents_
from charm_image._oci import engine_push, layers
from support import engine_images

MIB = 1 << 20


@pytest.fixture(scope='module')
def pushing(each_engine):
    """An engine that pushes only what is new; it has an image of three layers."""
    pusher = engine_push.find(each_engine.client.api, each_engine.host)
    assert (pusher.kind if pusher else '') == {'podman': 'podman'}.get(
        each_engine.kind.program, 'containerd' * each_engine.kind.containerd
    )
    return each_engine


@pytest.fixture(scope='module')
def image(pushing):
    contents = [os.urandom(MIB + number) for number in range(3)]
    return engine_images.make(pushing, 'localhost/pushed:1', contents)


def pusher_of(engine):
    """Return how an engine pushes, also one with a graph driver, which would not be asked."""
    client, host = engine.client.api, engine.host
    return engine_push.find(client, host) or engine_push.Pusher(client, host, '')


def push(engine, image, known):
    return pusher_of(engine).files(image, known)


def read(members):
    """Read members; return the diff IDs of layers, their digests at the source, and documents."""
    diff_ids, sources, documents = [], [], documents_.Documents()
    with layers.compressors() as workers:
        for member in members:
            if documents.add_file(member) is None:
                layer = layers.pack(member.content, workers)
                diff_ids.append(layer.diff_id)
                sources.append(layer.source)
                layer.close()
    return diff_ids, sources, documents


def names(engine):
    """All that the engine calls images."""
    found = engine.client.api.images(all=True)
    return sorted(
        (summary['Id'], *sorted(summary.get('RepoTags') or []), *(summary['RepoDigests'] or []))
        for summary in found
    )


def test_a_push_has_the_layers_and_the_configuration(pushing, image):
    before = names(pushing)
    diff_ids, _, documents = read(push(pushing, image.id, {}.get))
    assert sorted(diff_ids) == sorted(image.attrs['RootFS']['Layers'])
    (config,) = documents.contents().configs
    assert list(config.diff_ids) == image.attrs['RootFS']['Layers']
    assert names(pushing) == before


def test_a_push_leaves_out_what_is_known(pushing, image):
    if not engine_push.find(pushing.client.api, pushing.host):
        return  # a graph driver asks for nothing
    diff_ids, sources, _ = read(push(pushing, image.id, {}.get))
    *_, last = image.attrs['RootFS']['Layers']
    known = {digest for pair in zip(diff_ids, sources, strict=True) for digest in pair}
    known -= {last, sources[diff_ids.index(last)]}
    sizes = dict.fromkeys(known, MIB)
    before = names(pushing)
    diff_ids, _, documents = read(push(pushing, image.id, sizes.get))
    assert diff_ids == [last]
    assert [list(c.diff_ids) for c in documents.contents().configs] == [
        image.attrs['RootFS']['Layers']
    ]
    assert names(pushing) == before


@pytest.mark.scripts
def test_a_layer_that_is_not_read_keeps_nobody_waiting(pushing, image):
    names = [file.name for file in push(pushing, image.id, {}.get)]
    assert len(names) == 3 + 2 + 1  # layers, configuration and manifest, index.json
    assert names[-1] == 'index.json'


@pytest.mark.scripts
def test_a_push_that_is_given_up_leaves_nothing(pushing, image):
    before, threads = names(pushing), set(threading.enumerate())
    members = push(pushing, image.id, {}.get)
    next(members).content.read(10)
    members.close()
    assert names(pushing) == before
    for thread in set(threading.enumerate()) - threads:
        thread.join(30)
        assert not thread.is_alive(), thread


_PUSH = """
import signal, sys, time
import docker
from charm_image._oci import engine_push

def end(*_):
    sys.exit(143)

signal.signal(signal.SIGTERM, end)
client = docker.APIClient(sys.argv[1], version='auto')
pusher = engine_push.find(client, sys.argv[1]) or engine_push.Pusher(client, sys.argv[1], '')
for file in pusher.files(sys.argv[2], {}.get):
    file.content.read(10)
    print('reads', flush=True)
    for _ in range(600):  # a signal just before a sleep does not end it
        time.sleep(0.1)
"""


@pytest.mark.parametrize('stop', [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_is_stopped_leaves_nothing(pushing, image, stop):
    before = names(pushing)
    with subprocess.Popen(
        [sys.executable, '-c', _PUSH, pushing.host, image.id],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b'reads\n', process.stderr.read()
        process.send_signal(stop)
        process.wait(60)
    assert process.returncode in (143, -signal.SIGINT)
    assert names(pushing) == before


@pytest.mark.scripts
def test_remove_leftovers_removes_what_a_killed_program_left_if_the_image_has_other_names(
    pushing, image
):
    before = names(pushing)
    pushing.client.api.tag(image.id, f'127.0.0.1:9/{"0" * 32}', 'charm-upload')
    assert names(pushing) != before
    pusher_of(pushing).remove_leftovers()
    assert names(pushing) == before


@pytest.mark.scripts
def test_a_push_of_an_image_that_is_not_there_is_an_error(pushing):
    absent = 'sha256:' + '0' * 64
    with pytest.raises(charm_image.EngineError, match='cannot push|refused'):
        read(push(pushing, absent, {}.get))


@pytest.mark.parametrize(
    ('kind', 'new', 'size', 'faster'),
    [
        ('podman', 1, 500, True),
        ('podman', 250, 500, False),
        ('containerd', 250, 500, True),
        ('containerd', 500, 500, False),
    ],
)
def test_a_push_is_faster_for_a_small_share(kind, new, size, faster):
    pusher = engine_push.Pusher(None, 'unix:///engine', kind)
    assert pusher.is_faster(new, size) == faster


@pytest.mark.parametrize(
    ('sizes', 'layers', 'new'),
    [
        ([5, 0, 20, 75], 1, 5),
        ([5, 0, 20, 75], 2, 25),
        ([0, 0, 20, 80], 1, 20),  # the layer may have no size, or be the next one
        ([], 1, 33),  # without a history, all layers count alike
        ([100], 2, 66),
        ([5, 0, 20, 75], 0, 0),
    ],
)
def test_size_of_new_is_at_most_that_of_the_newest_layers(sizes, layers, new):
    history = [{'Size': size} for size in sizes]
    assert engine_push.size_of_new(history, layers, 3, 100) == new


@pytest.mark.parametrize('host', ['ssh://author@example.com', 'tcp://127.0.0.1:2376', ''])
def test_find_does_not_ask_an_engine_elsewhere(host):
    assert engine_push.find(None, host) is None
