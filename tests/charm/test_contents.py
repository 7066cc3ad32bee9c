"""Whatever a resource holds, and however `resource-get` behaves: the hook goes well.

Most cases live together in one unit, each as a resource of its own. That every one of them comes
out right is part of what is tested: nothing is lost for the other resources.
"""

import re
import textwrap
import time

import pytest
import yaml

from support import contents_cases
from support.observing import IMAGE, OBSERVER, images, seen, states

RIGHT = {f'right-{number}': case for number, case in enumerate(contents_cases.RIGHT)}
WRONG = {f'wrong-{number}': case for number, case in enumerate(contents_cases.WRONG)}
UNREADABLE = {f'unread-{number}': case for number, case in enumerate(contents_cases.UNREADABLE)}
OVERSIZED = {f'large-{number}': case for number, case in enumerate(contents_cases.OVERSIZED)}

RESOURCE_GET = {
    'fails': f'echo "ERROR no password {contents_cases.SECRET[:4]}" >&2; exit 1',
    'fails without a word': 'exit 1',
    'fails with what is not text': "printf '\\377\\000\\033[31m' >&2; exit 1",
    'fails with a megabyte of text': 'yes ERROR | head -c 1000000 >&2; exit 1',
    'is killed': 'kill -9 $$',
    'prints nothing': 'exit 0',
    'prints a newline only': 'echo',
    'prints what is not text': "printf '\\377\\376'",
    'prints a NUL': "printf '/tmp/\\000x'",
    'prints two lines': 'echo /tmp/a; echo /tmp/b',
    'prints a megabyte': 'yes /tmp | head -c 1000000',
    'prints a relative path that is not there': 'echo nowhere/content.yaml',
}
BEHAVIOUR = {f'get-{number}': case for number, case in enumerate(RESOURCE_GET)}

GOOD = {'fetched', 'available'}
FAILED = {'fetched', 'failed'}
WAITING = {'fetched'}


@pytest.fixture(scope='module')
def install(charms, tmp_path_factory):
    """The install hook of a unit that has every case as a resource, and the unit."""
    import charm_unit

    names = [*RIGHT, *WRONG, *UNREADABLE, *OVERSIZED, *BEHAVIOUR]
    charm = charms.make(resources=dict.fromkeys(names, IMAGE), reactive=OBSERVER)
    folder = tmp_path_factory.mktemp('unit')
    subject = charm_unit.Unit(charm, folder, deploy=False)
    for name, case in RIGHT.items():
        subject.attach(name, contents_cases.RIGHT[case][0])
    for name, case in WRONG.items():
        subject.attach(name, contents_cases.WRONG[case])
    scripts = {**contents_cases.UNREADABLE, **contents_cases.OVERSIZED}
    for name, case in {**UNREADABLE, **OVERSIZED}.items():
        script = scripts[case]
        path = folder / name
        subject.break_resource_get(name, f'set -- \'{path}\'; {script}; printf %s "$1"')
    for name, case in BEHAVIOUR.items():
        subject.break_resource_get(name, RESOURCE_GET[case])
    _limit(subject, 600)  # for so many, on a machine that has other things to do
    return subject.run('install')[-1], subject


def _limit(subject, seconds):
    """Give all calls of `resource-get` in a hook so much time."""
    module = subject.charm / 'lib' / 'image_resource' / 'hook.py'
    text = module.read_text()
    assert '\n_RESOURCE_GET_SECONDS = 30\n' in text
    module.write_text(text.replace('_SECONDS = 30\n', f'_SECONDS = {seconds}\n'))


def _each(cases):
    return pytest.mark.parametrize(
        ('name', 'case'), [pytest.param(name, case, id=case) for name, case in cases.items()]
    )


@_each(RIGHT)
def test_right_contents_are_an_image(install, name, case):
    run, _ = install
    assert seen(run, name) == GOOD
    assert images(run.pod_spec)[name] == contents_cases.RIGHT[case][1]


@_each({**UNREADABLE, **BEHAVIOUR})
def test_what_cannot_be_read_is_waited_for(install, name, case):
    run, subject = install
    assert run.exit_code == 0
    assert seen(run, name) == WAITING
    (message,) = [text for level, text in run.log if level == 'ERROR']
    assert re.search(rf'\b{name}\b', message)


@_each({**WRONG, **OVERSIZED})
def test_whatever_is_wrong_fails_its_resource_and_nothing_else(install, name, case):
    run, subject = install
    assert run.exit_code == 0
    assert seen(run, name) == FAILED
    assert subject.status[0] == 'blocked'
    assert re.search(rf'\b{name}\b', subject.status[1])


def test_no_secret_of_any_case_is_shown(install):
    run, _ = install
    assert contents_cases.SECRET in str(run.pod_spec)
    assert contents_cases.SECRET not in run.public_output


def test_no_code_in_contents_was_run(install):
    import pathlib

    assert not pathlib.Path('/tmp/owned').exists()


def test_what_is_kept_is_for_the_owner_only(install):
    _, subject = install
    mode = (subject.charm / '.unit-state.db').stat().st_mode
    assert mode & 0o077 == 0


# Cases that need a unit of their own


@pytest.fixture
def subject(charms, live):
    """A unit of a charm with the image resources `other`, which is attached, and `tried`."""
    subject = live(charms.make(resources={'tried': IMAGE, 'other': IMAGE}, reactive=OBSERVER))
    subject.attach('tried', 'a/tried')
    subject.attach('other', 'a/other')
    return subject


def _failed(subject, run, *words):
    _told(subject, run, FAILED, 'blocked', *words)


def _waits(subject, run, *words):
    _told(subject, run, WAITING, 'waiting', *words)


def _told(subject, run, expected, status, *words):
    assert run.exit_code == 0
    assert seen(run, 'tried') == expected
    assert seen(run, 'other') == GOOD
    state, message = subject.status
    assert state == status
    assert 'tried' in message
    assert 'other' not in message
    for word in words:
        assert word in message


def test_a_path_with_a_newline_is_as_good_as_one_without(subject):
    path = subject.folder / 'details'
    path.write_text('registrypath: a/tried')
    subject.break_resource_get('tried', f'echo {path}')
    assert seen(subject.run('install')[-1], 'tried') == GOOD


def test_the_reason_of_resource_get_reaches_the_operator(subject):
    subject.break_resource_get(
        'tried', 'echo "ERROR could not download resource: dial tcp: no such host" >&2; exit 1'
    )
    _waits(subject, subject.run('install')[-1], 'no such host')


def test_resource_get_that_never_ends_is_given_up(subject):
    _limit(subject, 2)  # nobody wants to wait longer for a test
    # Ignores being asked to end, and leaves the work, and the pipe, to a child.
    subject.break_resource_get('tried', "trap '' TERM; sleep 600; :")
    begun = time.monotonic()
    _waits(subject, subject.run('install')[-1])
    assert time.monotonic() - begun < 300


def test_resource_get_may_be_absent(subject):
    (subject.folder / 'tools' / 'resource-get').unlink()
    (install,) = subject.run('install')
    assert install.exit_code == 0
    assert seen(install, 'tried') == seen(install, 'other') == WAITING
    assert subject.status[0] == 'waiting'


def test_resource_get_may_be_no_executable(subject):
    (subject.folder / 'tools' / 'resource-get').write_bytes(b'\x7fELF nonsense')
    (install,) = subject.run('install')
    assert install.exit_code == 0
    assert seen(install, 'tried') == WAITING


def test_a_file_without_permission_is_waited_for(charms, live):
    import os
    import shutil

    through = ()
    if os.geteuid() == 0:  # whom permissions don't stop, unless asked to
        if not shutil.which('setpriv'):
            pytest.skip('root needs setpriv for this')
        through = ('setpriv', '--bounding-set=-dac_override,-dac_read_search')
    charm = charms.make(resources={'tried': IMAGE, 'other': IMAGE}, reactive=OBSERVER)
    subject = live(charm, command_prefix=through)
    subject.attach('other', 'a/other')
    path = subject.folder / 'details'
    path.write_text('registrypath: a/tried')
    path.chmod(0)
    subject.break_resource_get('tried', f'printf %s {path}')
    _waits(subject, subject.run('install')[-1], 'ermission')


def test_a_file_that_opens_and_then_fails_to_be_read_is_waited_for(subject):
    subject.break_resource_get('tried', 'printf /proc/self/mem')  # that of the hook, by then
    _waits(subject, subject.run('install')[-1])


def test_a_file_resource_is_no_image(charms, live):
    _asked(charms, live, {'type': 'file', 'filename': 'f', 'description': 'A file'}, 'oci-image')


def test_a_name_that_metadata_does_not_know_fails_and_is_blamed_on_the_charm(charms, live):
    _asked(charms, live, None, 'metadata.yaml')


def test_a_resource_that_is_null_in_metadata_fails(charms, live):
    _asked(charms, live, {}, 'metadata.yaml', null=True)


def _asked(charms, live, entry, word, null=False):
    """A charm that fetches `tried`, whose entry in metadata.yaml is that."""
    asking = """
@reactive.when_not('layer.docker-resource.tried.fetched')
def ask():
    layer.docker_resource.fetch('tried')
"""
    subject = live(charms.make(resources={'other': IMAGE}, reactive=OBSERVER + asking))
    if entry is not None:
        _edit(subject, resources={'other': IMAGE, 'tried': None if null else entry})
    subject.attach('other', 'a/other')
    if entry is not None:
        subject.attach('tried', b'registrypath: a/tried')
    install, *_, start = subject.deploy()
    _failed(subject, start, word)
    assert install.exit_code == 0


def _edit(subject, **keys):
    """Change metadata.yaml as only an author without `charm proof` can."""
    (subject.charm / 'metadata.yaml').write_text(yaml.safe_dump({**subject.metadata, **keys}))


@pytest.mark.parametrize('resources', [None, [], {'image': None}, 'image', {}])
def test_metadata_without_usable_resources_does_no_harm(charms, live, resources):
    subject = live(charms.make(resources={'image': IMAGE}, reactive=OBSERVER))
    _edit(subject, resources=resources)
    (install,) = subject.run('install')
    assert install.exit_code == 0
    assert 'available' not in states(subject.flags, 'image')


def test_auto_fetch_that_is_neither_true_nor_false_is_told(charms, live):
    resources = {'tried': {**IMAGE, 'auto-fetch': 'maybe'}, 'other': IMAGE}
    subject = live(charms.make(resources={'other': IMAGE}, reactive=OBSERVER))
    _edit(subject, resources=resources)
    subject.attach('other', 'a/other')
    subject.attach('tried', 'a/tried')
    (install,) = subject.run('install')
    assert seen(install, 'other') == GOOD
    assert seen(install, 'tried') == {'failed'}
    assert subject.status[0] == 'blocked'
    assert 'tried' in subject.status[1]
    assert 'auto-fetch' in subject.status[1]


def test_a_message_fits_on_a_screen(subject):
    subject.attach('tried', b"registrypath: '" + b'a/' * 100000 + b"b c'")
    _failed(subject, subject.run('install')[-1])
    assert len(textwrap.wrap(subject.status[1], 80)) <= 5
    assert subject.status[1].isprintable()
