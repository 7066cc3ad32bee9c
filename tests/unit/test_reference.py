import pathlib

import pytest

from container_image import reference
from support import contents_cases


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


def test_container_image_knows_no_juju():
    folder = pathlib.Path(reference.__file__).parent
    for path in folder.glob('*.py'):
        source = path.read_text()
        assert 'charmhelpers' not in source
        assert 'import charms' not in source
        assert 'from charms' not in source
