"""Any text, bytes and YAML: what hypothesis finds for container_image."""

import contextlib

import hypothesis
import pytest
import yaml
from hypothesis import strategies

from container_image import contents, messages, reference
from support import contents_cases

pytestmark = pytest.mark.slow

PATHS = strategies.from_regex(r'\A[a-z0-9]{1,9}((\.|_|__|-{1,3})[a-z0-9]{1,9}){0,2}\Z').map(str)


@hypothesis.given(
    domain=strategies.sampled_from(['', 'r.io', 'r:5000', 'localhost', '[::1]:80', 'Host']),
    path=strategies.lists(PATHS, min_size=1, max_size=4).map('/'.join),
    tag=strategies.just('') | strategies.from_regex(r'\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}\Z'),
    digest=strategies.sampled_from(['', contents_cases.DIGEST]),
)
def test_what_the_grammar_makes_is_taken_apart_into_what_it_was_made_of(domain, path, tag, digest):
    first = path.split('/')[0]
    hypothesis.assume(domain or not ('/' in path and ('.' in first or first == 'localhost')))
    text = (domain and domain + '/') + path + (tag and ':' + tag) + (digest and '@' + digest)
    hypothesis.assume(len(text) != 64)
    default_path = path if '/' in path else 'library/' + path
    assert reference.Reference.parse(text) == (
        domain or 'docker.io',
        path if domain else default_path,
        tag,
        digest,
    )


@hypothesis.given(strategies.text())
def test_any_text_is_a_reference_or_refused(text):
    with contextlib.suppress(reference.InvalidReferenceError):
        assert reference.Reference.parse(text).path


@hypothesis.given(strategies.binary())
def test_any_bytes_are_an_image_or_refused(data):
    with contextlib.suppress(contents.InvalidContentsError):
        assert all(type(value) is str for value in contents.parse(data))


SCALARS = (
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text()
    | strategies.binary()
    | strategies.dates()
)
ANYTHING = strategies.recursive(
    SCALARS,
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
    max_leaves=20,
)
KEYS = strategies.sampled_from(['registrypath', 'ImageName', 'username', 'password']) | (
    strategies.text()
)


@hypothesis.given(strategies.dictionaries(KEYS, ANYTHING))
def test_any_yaml_is_an_image_or_refused(document):
    with contextlib.suppress(contents.InvalidContentsError):
        details = contents.parse(yaml.safe_dump(document, allow_unicode=True).encode())
        assert details.registry_path in (document.get('registrypath'), document.get('ImageName'))


@hypothesis.given(
    strategies.text(strategies.characters(blacklist_categories=['Cs'])),
    strategies.dictionaries(strategies.text(), ANYTHING),
    strategies.booleans(),
)
def test_any_password_arrives_to_the_letter_whatever_stands_beside_it(password, others, unicode):
    others = {
        key: value
        for key, value in others.items()
        if key.lower() not in ('registrypath', 'username', 'password')
    }
    document = dict(others, registrypath='a/b', password=password)
    data = yaml.safe_dump(document, allow_unicode=unicode).encode()
    # Not `password`: PyYAML itself writes some line breaks so that nobody reads them back.
    assert contents.parse(data).password == yaml.load(data, yaml.BaseLoader)['password']


@hypothesis.given(strategies.text(strategies.sampled_from('{}[]&*!|>\'"%@`:,-?#\n\t ~a0\\<=')))
def test_any_punctuation_is_an_image_or_refused(text):
    for data in (text, 'registrypath: a/b\npassword: ' + text, '{"ImageName": "a", "x": ' + text):
        with contextlib.suppress(contents.InvalidContentsError):
            assert contents.parse(data.encode()).registry_path


@hypothesis.given(strategies.text(strategies.characters()), strategies.integers(1, 50))
def test_printable_is_printable_short_and_can_be_encoded(text, limit):
    shown = messages.printable(text, limit)
    assert len(shown) <= limit
    assert shown.isprintable()
    with contextlib.suppress(UnicodeError):
        text.encode()
        assert shown == text or not text.isprintable() or len(text) > limit
    shown.encode()
