"""Every kind of resource can be watched, and can watch, on bases of every kind."""

import pytest

from charm_image import resources
from charm_image.resources import Directory, Execute, File, Group, Line, Link, Package, User

# the scripts are the same for all builders
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize('build_engine', ['BuildKit'], indirect=True),
    pytest.mark.holds('packages and users'),
    pytest.mark.scripts,
]


@pytest.fixture(params=['apt', 'dnf', 'busybox'])
def base(request, build, build_engine):
    """The name of a base, which has a package manager or not."""
    if request.param == 'apt':
        assert request.getfixturevalue('apt_base')
        return 'with-repository'
    if request.param == 'dnf':
        return request.getfixturevalue('dnf_base')
    return build_engine.busybox


#: What is there before anything is watched.
BEFORE = [
    File(name='/there', contents='line\n'),
    File(name='/to-remove', contents=''),
    Directory(name='/directory', mode='700'),
    Directory(name='/directory-to-remove'),
    Link(name='/link', to='/there'),
    Link(name='/link-to-remove', to='/there'),
    Group(name='group', gid=4000),
    User(name='user', uid=4001, home='/home/user'),
    User(name='homeless', uid=4002),
]
CHANGES = [
    File(id='file', name='/new', contents='x'),
    File(id='empty file', name='/new-and-empty'),
    File(id='mode', name='/there', mode='600'),
    File(id='removed file', name='/to-remove', policy='remove'),
    Directory(id='directory', name='/new-directory'),
    Directory(id='owner', name='/directory', owner=7, mode='700'),
    Directory(id='removed directory', name='/directory-to-remove', policy='remove'),
    Link(id='link', name='/new-link', to='/there'),
    Link(id='other target', name='/link', to='/there\n'),
    Link(id='removed link', name='/link-to-remove', policy='remove'),
    Line(id='line', name='/there', match='^none', line='more'),
    Line(id='removed line', name='/there', match='^line', policy='remove'),
    Execute(id='command', command='true'),
    Execute(id='needed command', command='true', creates='/none'),
    User(id='new user', name='another', uid=4003),
    User(id='changed user', name='user', shell='/bin/false'),
    User(id='password', name='user', password='$6$x'),
    User(id='home', name='homeless', home='/home/homeless'),
    User(id='removed user', name='user', policy='remove'),
    Group(id='new group', name='others', gid=4004),
    Group(id='removed group', name='group', policy='remove'),
]
KEEPS = [
    File(id='same mode', name='/there', mode='644'),
    File(id='no file', name='/none', policy='remove'),
    Directory(id='same directory', name='/directory', mode='700'),
    Directory(id='no directory', name='/none', policy='remove-recursive'),
    Link(id='same link', name='/link', to='/there'),
    Link(id='no link', name='/none', policy='remove'),
    Line(id='same line', name='/there', match='^li', line='line'),
    Line(id='no line', name='/there', match='^none', policy='remove'),
    Execute(id='needless command', command='false', creates='/there'),
    User(id='same user', name='user', uid=4001, home='/home/user'),
    User(id='no user', name='nobody-here', policy='remove'),
    Group(id='same group', name='group', gid=4000),
    Group(id='no group', name='nothing-here', policy='remove'),
]
VERSIONS = {'with-repository': ('1.0-1', '1:1.5-1'), 'debian:dnf': ('1.0', '1.5')}


def package_changes(base):
    """Those of packages, where the base has a manager for them."""
    if base not in VERSIONS:
        return []
    older, newer = VERSIONS[base]
    return [
        Package(id='package', name='hello', version=older),
        Package(id='other package', name='base-of-hello'),
        Package(id='other version', name='hello', version=newer),
        Package(id='removed package', name='hello', policy='remove'),
    ]


def package_keeps(base):
    if base not in VERSIONS:
        return []
    return [
        Package(id='same package', name='base-of-hello'),
        Package(id='no package', name='never-there', policy='remove'),
    ]


def watchers(watched):
    return [
        File(id=f'after {each.id}', name=f'/news/{each.id}', contents='x', watches=[each.id])
        for each in watched
    ]


def test_a_resource_that_watches_one_that_changed_something_is_applied(build, base):
    changes = [*CHANGES, *package_changes(base)]
    built = build(
        *BEFORE,
        *changes,
        *watchers(changes),
        from_image=base,
    )
    assert [each for each in changes if f'/news/{each.id}' not in built.files] == []
    if base in VERSIONS:  # no kind is left out
        refused = {'Service', 'Mount', 'Checkout', 'Patch', 'Special'}
        assert {type(each).__name__ for each in changes} == set(resources.__all__) - refused


def test_a_resource_that_watches_one_that_changed_nothing_is_not_applied(build, base):
    keeps = [*KEEPS, *package_keeps(base)]
    there = [Package(id='before', name='base-of-hello')] if base in VERSIONS else []
    built = build(
        *BEFORE,
        *there,
        *keeps,
        *watchers(keeps),
        from_image=base,
    )
    assert [each for each in keeps if f'/news/{each.id}' in built.files] == []


def test_a_resource_of_every_kind_can_watch(build, base):
    # an id for each, since what is not applied has the same names as what is
    def watching(watched, suffix):
        name = ['base-of-hello', 'greeting'][suffix]
        named = [Package(id=f'p{suffix}', name=name, watches=[watched])]
        return [
            *(named if base in VERSIONS else []),
            Group(id=f'g{suffix}', name=f'g{suffix}', gid=5000 + suffix, watches=[watched]),
            User(id=f'u{suffix}', name=f'u{suffix}', uid=5000 + suffix, watches=[watched]),
            File(id=f'f{suffix}', name=f'/f{suffix}', contents='a\n', watches=[watched]),
            Line(id=f'l{suffix}', name='/there', match='^x', line=f'x{suffix}', watches=[watched]),
            Directory(id=f'd{suffix}', name=f'/d{suffix}', owner=6, watches=[watched]),
            Link(id=f'k{suffix}', name=f'/k{suffix}', to='/there', watches=[watched]),
            Execute(id=f'e{suffix}', command=f'touch /e{suffix}', watches=[watched]),
        ]

    built = build(
        *BEFORE,
        Line(id='changed', name='/there', match='^none', line='more'),
        Line(id='unchanged', name='/there', match='^line', line='line'),
        *watching('changed', 0),
        *watching('unchanged', 1),
        from_image=base,
    )
    assert {'/f0', '/d0', '/k0', '/e0'} < set(built.files)
    assert not {'/f1', '/d1', '/k1', '/e1'} & set(built.files)
    assert built.contents['/there'] == b'line\nmore\nx0\n'
    assert built.stat('/d0') == '0755 6:0'
    assert b'\nu0:x:5000:' in built.contents['/etc/passwd']
    assert b'\nu1:' not in built.contents['/etc/passwd']
    assert b'\ng0:x:5000:' in built.contents['/etc/group']
    assert b'\ng1:' not in built.contents['/etc/group']
    if base in VERSIONS:
        assert '/usr/share/base-of-hello/version' in built.files
        assert '/usr/share/greeting/version' not in built.files


@pytest.mark.parametrize('base', ['apt', 'dnf'], indirect=True)
def test_a_command_runs_if_a_package_was_installed_and_not_again_if_it_was_there(build, base):
    built = build(
        Package(name='hello'),
        Execute(command='touch /installed', watches=['hello']),
        Package(id='again', name='hello'),
        Execute(command='touch /again', watches=['again']),
        from_image=base,
    )
    assert '/installed' in built.files
    assert '/again' not in built.files
