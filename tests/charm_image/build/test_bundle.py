"""Bundles: what they hold, and where an error is raised."""

import inspect
import pathlib
import traceback

import pytest

import charm_image
from charm_image import resources
from support.bundles import bundle_of


def last_line_of(error):
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == __file__
    ]
    return frames[-1].line


def test_an_error_is_raised_at_the_yield_that_caused_it():
    def twice():
        yield resources.File(name='/a', contents='')
        yield resources.File(name='/a', contents='again')
        raise AssertionError('not reached')

    with pytest.raises(charm_image.ResourceError, match='already in the bundle') as caught:
        charm_image.ResourceBundle.from_iterator(twice())
    assert last_line_of(caught.value) == "yield resources.File(name='/a', contents='again')"


@pytest.mark.parametrize(
    ('wrong', 'said'),
    [
        ('a string', 'a bundle can contain only resources, not str'),
        (None, 'not NoneType'),
        (resources.File, 'not File'),
    ],
)
def test_a_bundle_refuses_what_is_not_a_resource_where_it_was_yielded(wrong, said):
    def function():
        yield wrong

    with pytest.raises(charm_image.ResourceError, match=said) as caught:
        charm_image.ResourceBundle.from_iterator(function())
    assert last_line_of(caught.value) == 'yield wrong'
    line = inspect.getsourcelines(function)[1] + 1
    assert str(caught.value).startswith(f'{pathlib.Path(__file__).name}:{line}: ')


def test_an_error_behind_yield_from_has_the_line_of_the_inner_yield():
    def inner():
        yield 'wrong'

    def function():
        yield from inner()

    with pytest.raises(charm_image.ResourceError) as caught:
        charm_image.ResourceBundle.from_iterator(function())
    assert caught.value.line.endswith(f':{inspect.getsourcelines(inner)[1] + 1}')


def test_a_generator_may_go_on_after_an_error():
    def function():
        try:
            yield 'wrong'
        except charm_image.ResourceError:
            yield resources.File(name='/instead', contents='')
        yield resources.File(name='/after', contents='')

    bundle = charm_image.ResourceBundle.from_iterator(function())
    assert [resource.name for resource in bundle] == ['/instead', '/after']


def test_a_function_that_does_not_yield_is_reported():
    with pytest.raises(charm_image.ResourceError, match='does the function yield them?'):
        charm_image.ResourceBundle.from_iterator(None)


def test_a_bundle_refuses_a_resource_that_watches_nothing():
    bundle = bundle_of(resources.File(name='/a', contents=''))
    bundle.add(resources.Execute(command='a', watches=['File[/a]']))
    with pytest.raises(charm_image.ResourceError, match="watches '/b'"):
        bundle.add(resources.Execute(command='b', watches=['/b']))


def test_a_bundle_is_ordered_and_knows_its_resources_by_name():
    made = resources.File(name='/a', contents='')
    bundle = bundle_of(made, resources.Directory(name='/d'))
    assert [repr(each) for each in bundle] == ['File[/a]', 'Directory[/d]']
    assert bundle['File[/a]'] is bundle.named('/a') is made
    assert bundle.named('/b') is None
    assert len(bundle) == 2
