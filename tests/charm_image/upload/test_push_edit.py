"""charm_image._upload.push: an image of which the registry has most layers."""

import logging
import os

import pytest

from charm_image._oci import engine, engine_push, local_image
from charm_image._upload import push, pushed
from support import engine_images
from support.uploads import reporter

MIB = 1 << 20
BASE = [os.urandom(4 * MIB), os.urandom(4 * MIB)]


@pytest.fixture
def local(each_engine):
    with engine.connect(each_engine.environ) as local:
        yield local


@pytest.fixture
def edited(each_engine, local, client, repository):
    """An edited image; the registry has the one before."""
    before = engine_images.make(each_engine, 'localhost/edited:1', [*BASE, os.urandom(MIB)])
    push.push(local.find(before.id), client, repository)
    after = engine_images.make(each_engine, 'localhost/edited:2', [*BASE, os.urandom(MIB)])
    return local.find(after.id)


@pytest.fixture
def pushes(each_engine):
    """Whether the engine pushes what is new."""
    return bool(engine_push.find(each_engine.client.api, each_engine.host))


def names(each_engine):
    return sorted(
        name
        for image in each_engine.client.api.images(all=True)
        for name in (image['Id'], *(image.get('RepoTags') or []), *(image['RepoDigests'] or []))
    )


def exported(image, client, repository, monkeypatch):
    """Push it from the engine's export to a repository of its own; return the digest."""
    with monkeypatch.context() as patch:
        patch.setattr(local_image.LocalImage, 'new_files', lambda *_: None)
        return push.push(image, client, f'{repository}/exported').digest


def test_an_edit_is_pushed_without_an_export_and_gets_the_same_digest(
    each_engine, edited, pushes, client, repository, monkeypatch
):
    digest = exported(edited, client, repository, monkeypatch)
    before = names(each_engine)
    if pushes:
        monkeypatch.setattr(local_image.LocalImage, 'files', None)
    steps = []
    done = push.push(edited, client, repository, reporter(lambda *step: steps.append(step)))
    assert done.digest == digest
    assert names(each_engine) == before
    if pushes:
        read = max(bytes_ for step, bytes_, _ in steps if step == 'Reading the image')
        assert MIB < read < 2 * MIB  # the new layer and some documents
    if pushes:  # and so is the next one, whose known layers one of these named
        after = engine_images.make(each_engine, 'localhost/edited:3', [*BASE, os.urandom(MIB)])
        with engine.connect(each_engine.environ) as local:
            push.push(local.find(after.id), client, repository)


def test_an_unchanged_image_is_found_without_an_export(
    each_engine, edited, pushes, client, repository, monkeypatch
):
    done = push.push(edited, client, repository)
    if pushes:
        monkeypatch.setattr(local_image.LocalImage, 'files', None)
    before = names(each_engine)
    assert pushed.find(client, repository, edited).digest == done.digest
    assert pushed.find(client, repository, edited.id, all_of=True).digest == done.digest
    assert names(each_engine) == before


@pytest.mark.parametrize('fault', ['broken', 'incomplete', 'silent'])
@pytest.mark.scripts
def test_an_engine_that_pushes_wrongly_is_asked_for_an_export(
    edited, client, repository, monkeypatch, caplog, fault
):
    digest = exported(edited, client, repository, monkeypatch)

    def new_files(image, known):
        def files():
            if fault == 'broken':
                raise push._errors.EngineError('the engine broke off its push')
            for file in local_image.LocalImage.files(image):
                if fault == 'incomplete' and file.size <= MIB:
                    yield file

        return 0, files()

    monkeypatch.setattr(local_image.LocalImage, 'new_files', new_files)
    caplog.set_level(logging.DEBUG)
    assert push.push(edited, client, repository).digest == digest
    (said,) = [r for r in caplog.records if r.name == push.__name__]
    assert said.levelno == logging.DEBUG
    assert 'reading the export' in said.getMessage()


def test_an_image_without_a_name_stays(each_engine, local, edited, client, repository):
    contents = [*BASE, os.urandom(MIB)]
    image = engine_images.make(each_engine, None, contents)
    assert not image.tags
    push.push(local.find(image.id), client, repository)
    assert each_engine.client.images.get(image.id)
