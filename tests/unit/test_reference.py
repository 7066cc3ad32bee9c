import contextlib
import pathlib

import hypothesis
import pytest
from hypothesis import strategies

from container_image import reference
from support import contents_cases

ALPHANUMERIC = 'abcdefghijklmnopqrstuvwxyz0123456789'
PATHS = strategies.from_regex(r'\A[a-z0-9]{1,9}((\.|_|__|-{1,3})[a-z0-9]{1,9}){0,2}\Z').map(str)


@pytest.mark.parametrize('text', list(contents_cases.RIGHT_REFERENCES))
def test_every_form_of_a_reference_is_taken_apart(text):
    assert reference.Reference.parse(text) == contents_cases.RIGHT_REFERENCES[text]


@pytest.mark.parametrize('text', contents_cases.WRONG_REFERENCES, ids=lambda text: repr(text[:30]))
def test_what_is_no_reference_is_refused_without_being_quoted(text):
    with pytest.raises(reference.InvalidReferenceError) as raised:
        reference.Reference.parse(text)
    message = str(raised.value)
    assert len(message) < 200
    assert contents_cases.SECRET not in message


@pytest.mark.parametrize(
    ('text', 'word'),
    [
        ('', 'blank'),
        ('a b', 'space'),
        ('a/b\n', 'line break'),
        ('https://r.io/a', 'http://'),
        ('a/Upper', 'lower case'),
        (f'me:{contents_cases.SECRET}@r.io/a', 'credentials'),
        ('a@sha1:' + 'a' * 40, 'digest'),
        ('a:-1', 'tag'),
        ('r..io/a', 'host'),
        ('a' * 64, 'image ID'),
        ('r.io/' + 'a' * 251, '255'),
        ('zażółć', 'ASCII'),
    ],
)
def test_the_message_says_what_is_wrong(text, word):
    with pytest.raises(reference.InvalidReferenceError, match=word):
        reference.Reference.parse(text)


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


@pytest.mark.parametrize('text', list(contents_cases.RIGHT_REFERENCES))
def test_str_of_a_reference_is_its_full_form(text):
    parsed = reference.Reference.parse(text)
    assert reference.Reference.parse(str(parsed)) == parsed
    assert str(parsed).startswith(parsed.name)
    assert str(parsed).endswith(text.rpartition('/')[2])


def test_tagged_and_pinned_references_have_only_the_tag_or_only_the_digest():
    parsed = reference.Reference.parse(f'r.io:5000/team/app:1@{contents_cases.DIGEST}')
    assert parsed.name == 'r.io:5000/team/app'
    assert str(parsed.tagged('2')) == 'r.io:5000/team/app:2'
    assert str(parsed.pinned(contents_cases.DIGEST)) == f'{parsed.name}@{contents_cases.DIGEST}'


@hypothesis.given(strategies.text())
def test_any_text_is_a_reference_or_refused(text):
    with contextlib.suppress(reference.InvalidReferenceError):
        assert reference.Reference.parse(text).path


def test_container_image_knows_no_juju():
    folder = pathlib.Path(reference.__file__).parent
    for path in folder.glob('*.py'):
        source = path.read_text()
        assert 'charmhelpers' not in source
        assert 'import charms' not in source
        assert 'from charms' not in source
