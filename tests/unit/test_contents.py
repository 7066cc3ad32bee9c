import os
import traceback
import tracemalloc

import pytest
import yaml

from container_image import contents
from support import contents_cases

SECRET = contents_cases.SECRET


def refusal(call, argument):
    """Return an InvalidContentsError's text, after a look for secrets in all that hangs on it."""
    with pytest.raises(contents.InvalidContentsError) as raised:
        call(argument)
    shown = ''.join(traceback.format_exception(raised.type, raised.value, None)) + repr(
        raised.value.__context__
    )
    assert SECRET not in shown
    assert raised.value.__context__ is None
    assert len(str(raised.value)) < 250
    return str(raised.value)


@pytest.mark.parametrize('case', list(contents_cases.RIGHT))
def test_right_contents_give_an_image(case):
    data, image = contents_cases.RIGHT[case]
    details = contents.parse(data)
    assert details == image
    assert {type(value) for value in details} == {str}


@pytest.mark.parametrize('case', list(contents_cases.WRONG))
def test_wrong_contents_are_refused_and_not_quoted(case):
    refusal(contents.parse, contents_cases.WRONG[case])


@pytest.mark.parametrize(
    ('case', 'words'),
    [
        ('nothing', 'the attached file is empty'),
        ('a comment only', 'the attached file is empty'),
        ('what is not YAML, with a password', r'not YAML \(line 3\)'),
        ('what is not UTF-8', 'not UTF-8'),
        ('two documents', 'more than one YAML document'),
        ('a scalar', 'is not a mapping'),
        ('a null registrypath', 'registrypath.* is missing'),
        ('a path under another key', 'registrypath.* is missing'),
        ('a registrypath that is a list', 'registrypath must be a single string, not a list'),
        ('a registrypath that is a number', 'registrypath is not a string'),
        ('a password that is a mapping', 'password must be a single string, not a list or a'),
        ('JSON whose ImageName is blank', 'its ImageName, .* is missing'),
        ('JSON whose ImageName is a URL', 'its ImageName is not a valid'),
        ('JSON with the key of YAML in another case', 'its registrypath, .* is missing'),
        ('two passwords', 'password is given twice'),
        ('a Python tag for the password', 'tag'),
        ('an alias bomb', 'too large or too deeply nested'),
        ('a loop', 'a recursive YAML alias'),
        ('an alias to nothing', 'an undefined YAML alias'),
        ('more than a megabyte', '1024 KiB'),
        ('a reference with credentials', 'put credentials into'),
    ],
)
def test_the_refusal_says_what_is_wrong(case, words):
    with pytest.raises(contents.InvalidContentsError, match=words):
        contents.parse(contents_cases.WRONG[case])


@pytest.mark.parametrize('text', contents_cases.WRONG_REFERENCES, ids=lambda text: repr(text[:30]))
def test_an_impossible_reference_is_refused_and_not_quoted(text):
    data = yaml.safe_dump({'registrypath': text, 'password': SECRET}, allow_unicode=True)
    assert 'registrypath' in refusal(contents.parse, data.encode())


@pytest.mark.parametrize('text', list(contents_cases.RIGHT_REFERENCES))
def test_a_reference_is_kept_as_it_was_written(text):
    data = yaml.safe_dump({'registrypath': text}).encode()
    assert contents.parse(data).registry_path == text


def test_the_details_of_an_image_do_not_show_the_password():
    details = contents.parse(f'registrypath: a/b\npassword: {SECRET}'.encode())
    assert details.password == SECRET
    assert SECRET not in f'{details} {details!r} {[details]}'


def test_the_largest_contents_are_read(tmp_path):
    password = 'x' * (1024 * 1024 - len('registrypath: a/b\npassword: '))
    path = tmp_path / 'content.yaml'
    path.write_text('registrypath: a/b\npassword: ' + password)
    assert contents.read(str(path)).password == password


def test_a_directory_is_no_content(tmp_path):
    assert 'directory' in refusal(contents.read, str(tmp_path))


def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(str(tmp_path / 'fifo'))
    assert 'regular file' in refusal(contents.read, str(tmp_path / 'fifo'))


@pytest.mark.parametrize('path', ['/dev/zero', '/dev/tty', '/dev/null'])
def test_a_device_is_no_content(path):
    refusal(contents.read, path)


def test_an_absent_file_is_no_content(tmp_path):
    assert 'No such file' in refusal(contents.read, str(tmp_path / 'absent'))


def test_a_file_that_fails_to_be_read_is_no_content():
    assert 'cannot be read' in refusal(contents.read, '/proc/self/mem')


@pytest.mark.parametrize('path', ['a\0b', 'x' * 5000, '', '\udcff'])
def test_an_impossible_path_is_no_content(path):
    refusal(contents.read, path)


def test_reading_leaves_no_file_open(tmp_path):
    (tmp_path / 'content.yaml').write_text('registrypath: a/b')
    before = len(os.listdir('/proc/self/fd'))
    contents.read(str(tmp_path / 'content.yaml'))
    for path in (str(tmp_path), '/dev/zero', str(tmp_path / 'absent')):
        refusal(contents.read, path)
    assert len(os.listdir('/proc/self/fd')) == before


def test_of_a_huge_file_only_a_little_is_read(tmp_path):
    path = tmp_path / 'content.yaml'
    with path.open('wb') as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        assert '1024 KiB' in refusal(contents.read, str(path))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    'data',
    [b'a: [' + b'b,' * 400000, b'[' + b'{a: b},' * 100000],
    ids=['of a list', 'of mappings'],
)
def test_of_very_many_nodes_only_some_are_looked_at(data, monkeypatch):
    composed = []
    compose = yaml.SafeLoader.compose_node

    def counted(loader, parent, index):
        composed.append(None)
        return compose(loader, parent, index)

    monkeypatch.setattr(yaml.SafeLoader, 'compose_node', counted)
    assert 'too deeply nested' in refusal(contents.parse, data)
    assert len(composed) <= 10000
