"""Starting a process is what a hook spends its time on: the layer starts few, and idle none."""

import collections

import pytest

from support.observing import IMAGE

WITHOUT = ('layer:caas-base', 'layer:status')


def _images(number):
    return {f'image-{i}': IMAGE for i in range(number)}


def _unit(charms, live, number, *, layer=True):
    charm = charms.make(
        resources=_images(number),
        **({} if layer else {'includes': WITHOUT, 'layer': None}),
    )
    subject = live(charm)
    for name in _images(number):
        subject.attach(name, f'a/{name}')
    return subject


def _counts(run):
    return collections.Counter(command[0] for command in run.processes)


@pytest.mark.parametrize('number', [1, 10, 100])
def test_install_starts_at_most_five_processes_a_resource(charms, live, number):
    with_layer = _counts(_unit(charms, live, number).run('install')[-1])
    assert with_layer['resource-get'] == number
    assert with_layer['status-set'] <= number
    charm = charms.make(reactive='from charms import reactive\n', includes=WITHOUT, layer=None)
    without = _counts(live(charm).run('install')[-1])
    assert sum((with_layer - without).values()) <= 5 * number


@pytest.mark.parametrize('number', [1, 10, 100])
def test_an_idle_hook_starts_no_process_because_of_the_layer(charms, live, number):
    subject = _unit(charms, live, number)
    subject.run('install')
    subject.idle()  # the first update-status looks for images that nobody fetched
    charm = charms.make(includes=WITHOUT, layer=None)
    without = live(charm)
    without.run('install')
    assert _counts(subject.idle()[-1]) == _counts(without.idle()[-1])


def test_an_idle_hook_imports_one_module_and_what_charms_call(charms, live):
    subject = live(charms.make(resources=_images(2), reactive=_MODULES))
    for name in _images(2):
        subject.attach(name, f'a/{name}')
    subject.run('install')
    subject.idle()
    (modules,) = [text for _level, text in subject.idle()[-1].log if text.startswith('MODULES ')]
    assert modules.split()[1:] == ['charms.layer.docker_resource', 'image_resource.idle']


_MODULES = """
import sys

from charmhelpers.core import hookenv


def tell():
    ours = ('image_resource.', 'container_image.', 'charms.layer.docker')
    found = sorted(name for name in sys.modules if name.startswith(ours))
    hookenv.log(' '.join(['MODULES', *found]))


hookenv.atexit(tell)
"""


def test_reading_again_starts_one_process_a_resource(charms, live):
    subject = _unit(charms, live, 10)
    subject.run('install')
    idle = _counts(subject.idle()[-1])
    upgrade = _counts(subject.upgrade()[0])
    assert upgrade - idle == {'resource-get': 10}
