"""What a resource holds, and what the operator reads if it is wrong."""

import pytest
from charms import reactive

from support import contents_cases
from support.simulated import AVAILABLE, FAILED, IMAGE, SECRET, WAITING


@pytest.mark.parametrize('case', list(contents_cases.RIGHT))
def test_right_contents_make_a_resource_available(unit, case):
    data, image = contents_cases.RIGHT[case]
    unit.attached['my-image'] = data
    seen = unit.seen()
    unit.hook('install')
    info = unit.library.get_info('my-image')
    assert (info.registry_path, info.username, info.password) == image
    assert {type(value) for value in info.image_details.values()} == {str}
    assert seen[0] == unit.flags() == AVAILABLE
    assert unit.statuses == [('maintenance', 'fetched resource: my-image')]


@pytest.mark.parametrize('case', list(contents_cases.WRONG))
def test_wrong_contents_fail_and_the_operator_reads_why(unit, case):
    unit.metadata['resources']['other'] = {'type': 'oci-image', 'auto-fetch': True}
    unit.attached = {'my-image': contents_cases.WRONG[case], 'other': IMAGE}
    unit.hook('install')
    assert unit.flags() == FAILED
    assert unit.flags('other') == AVAILABLE
    status, message = unit.statuses[-1]
    assert status == 'blocked'
    assert message.startswith(('my-image: its ', 'my-image: the attached file '))
    assert message.endswith(' (juju attach-resource my-charm my-image=IMAGE)')
    assert SECRET not in repr((unit.statuses, unit.logged, reactive.get_flags()))
    assert 'other:' not in message


@pytest.mark.parametrize('path', ['\n', '\r\n', ''])
def test_a_path_may_end_with_a_newline(unit, tmp_path, path):
    (tmp_path / 'given.yaml').write_bytes(IMAGE)
    unit.attached['my-image'] = str(tmp_path / 'given.yaml') + path
    unit.hook('install')
    assert unit.flags() == AVAILABLE


@pytest.mark.parametrize(
    'answer',
    [
        False,
        None,
        '',
        '\n',
        NotImplementedError('resource-get'),
        OSError('broken'),
        RuntimeError(SECRET),
        UnicodeDecodeError('utf-8', b'\xff', 0, 1, SECRET),
        '/no/such/file',
        '/dev/zero',
        '/',
        'a\0b',
        object(),
    ],
)
def test_an_answer_that_is_no_file_is_waited_for(unit, answer):
    unit.attached['my-image'] = answer
    unit.hook('install')
    assert unit.flags() == WAITING
    assert unit.statuses[-1][0] == 'waiting'
    assert unit.statuses[-1][1].startswith('my-image: ')
    assert unit.statuses[-1][1].endswith(' (will be retried in the next hook)')
    assert SECRET not in repr((unit.statuses, unit.logged))


@pytest.mark.parametrize(
    ('resources', 'words'),
    [
        ({}, 'not in the charm'),
        ({'my-image': None}, 'not in the charm'),
        ({'my-image': {'type': 'file', 'filename': 'x'}}, 'not oci-image'),
        ({'my-image': {}}, 'not oci-image'),
        ({'my-image': {'type': ['oci-image']}}, 'not oci-image'),
    ],
)
def test_what_metadata_does_not_have_as_an_image_fails_unasked(unit, resources, words):
    unit.metadata['resources'] = resources
    unit.during(lambda: unit.library.fetch('my-image'))
    unit.hook('install')
    assert unit.flags() == FAILED
    assert unit.asked == []
    assert words in unit.statuses[-1][1]
    assert "report it to the charm's author" in unit.statuses[-1][1]
