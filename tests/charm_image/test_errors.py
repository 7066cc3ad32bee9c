"""The errors of charm_image are one tree, drawn at the top of its module."""

import inspect
import re

import pytest

import charm_image
from charm_image import _errors, resources
from container_image import registry_errors

ERRORS = {
    name: error
    for name, error in vars(_errors).items()
    if isinstance(error, type) and issubclass(error, Exception)
}


def test_errors_are_public_end_in_error_and_have_the_root():
    for name, error in ERRORS.items():
        assert name.endswith('Error')
        assert issubclass(error, charm_image.Error)
        assert getattr(charm_image, name) is error
        assert name in charm_image.__all__


def test_the_drawn_tree_is_the_real_one():
    drawn = {}
    path = ['Exception']
    for line in inspect.getdoc(_errors).splitlines():
        found = re.match(r'    ([│├└─ ]*)(\w+Error|Error)\b', line)
        if found:
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            drawn[found[2]] = path[depth - 1]
    assert drawn == {name: error.__bases__[0].__name__ for name, error in ERRORS.items()}


def test_codes_of_errors_are_each_of_one_kind():
    codes = [error.code for error in ERRORS.values()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch('[a-z]+(-[a-z]+)*', code) for code in codes)


def test_translated_raises_what_container_image_raises_as_an_error_of_this_package():
    with pytest.raises(charm_image.RegistryError) as caught, _errors.translated():
        raise registry_errors.OverloadedError('hub.example is busy', 'wait', retry_after=7)
    assert str(caught.value) == 'hub.example is busy: wait'
    assert (caught.value.message, caught.value.resolution) == ('hub.example is busy', 'wait')
    assert (caught.value.code, caught.value.retry_after) == ('overloaded', 7)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ('error', 'code'),
    [
        ('RejectedError', 'refused'),
        ('AccessDeniedError', 'no-right'),
        ('ProtocolError', 'misbehaving'),
        ('NotFoundError', 'not-found'),
        ('CertificateNotTrustedError', 'certificate-not-trusted'),
    ],
)
def test_the_code_of_an_error_of_a_registry_outlives_the_name_of_its_class(error, code):
    assert _errors.RegistryError.of(getattr(registry_errors, error)('no')).code == code


@pytest.mark.parametrize(
    ('message', 'resolution', 'text'),
    [('no', '', 'no'), ('no', 'do it', 'no: do it'), ('No.', 'Do it.', 'No. Do it.')],
)
def test_the_text_of_an_error_is_its_message_and_its_resolution(message, resolution, text):
    assert str(charm_image.Error(message, resolution)) == text


def test_the_message_of_a_resource_has_no_advice_which_is_the_resolution():
    with pytest.raises(charm_image.ResourceError) as caught:
        resources.File(name='/a', mode=644)
    assert caught.value.message == f'{caught.value.line}: File[/a]: mode 644 is 0o1204 in octal'
    assert caught.value.resolution == "write 0o644 or '644'"
    assert str(caught.value) == f'{caught.value.message}: {caught.value.resolution}'


def test_an_error_of_the_store_has_the_code_of_the_store_if_it_gave_one():
    assert charm_image.NotFoundError('a').code == 'not-found'
    error = charm_image.NotFoundError('a.', 'Do b.', status=404, codes=['', 'resource-not-found'])
    assert (error.code, error.codes) == ('resource-not-found', ('resource-not-found',))
    assert (str(error), error.message, error.resolution) == ('a. Do b.', 'a.', 'Do b.')
    assert error.status == 404
