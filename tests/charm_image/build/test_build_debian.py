"""Debian: packages, from a repository inside the base so that no test leaves it, and users."""

import pytest

import charm_image
from charm_image import resources

# the scripts are the same for all builders
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize('build_engine', ['BuildKit'], indirect=True),
    pytest.mark.holds('packages and users'),
    pytest.mark.scripts,
]


def version_of(built, name):
    return built.contents.get(f'/usr/share/{name}/version', b'').decode()


def test_packages_are_installed_without_recommends_lists_or_archives(build, apt_base):
    built = build(
        resources.Package(name='hello'),
        resources.Package(name='libx39y'),
        from_image='with-repository',
        env={'FLAVOR': 'sweet'},
    )
    assert version_of(built, 'hello') == '1:1.5-1'
    assert version_of(built, 'base-of-hello') == '1'
    assert version_of(built, 'libx39y') == '1'
    assert version_of(built, 'greeting') == ''
    assert built.contents['/hello.asked'] == b'noninteractive sweet\n'
    new = set(built.files) - set(apt_base.files)
    assert not [name for name in new if name.endswith(('.deb', '.bin', '_Packages'))]
    assert not [name for name in new if 'charm' in name]
    assert sum(progress.state == 'done' for progress in built.progress) == 1


def test_package_has_the_version_asked_for_even_if_another_one_is_there(build, apt_base):
    built = build(
        resources.Package(name='hello'),
        resources.Package(id='older', name='hello', version='1.0-1'),
        from_image='with-repository',
    )
    assert version_of(built, 'hello') == '1.0-1'


def test_package_that_is_installed_already_needs_no_repository(build, apt_base):
    built = build(
        resources.File(name='/etc/apt/sources.list', policy='remove'),
        resources.Package(name='dpkg'),
        from_image='with-repository',
    )
    assert not any('apt' in progress.text for progress in built.progress)


def test_a_package_is_removed_with_its_configuration_if_so_asked(build, apt_base):
    built = build(
        resources.Package(name='hello'),
        resources.Package(id='gone', name='hello', policy='uninstall', purge=True),
        resources.Package(name='never-there', policy='remove'),
        from_image='with-repository',
    )
    assert '/usr/share/hello/version' not in built.files
    assert b'Package: hello\n' not in built.contents['/var/lib/dpkg/status']


@pytest.mark.parametrize('name', ['libx3.y', 'no-such-package'])
def test_package_name_is_not_a_regular_expression(build, apt_base, name):
    with pytest.raises(charm_image.StepError) as caught:
        build(resources.Package(name=name), from_image='with-repository')
    assert caught.value.resource == f'Package[{name}]'
    assert f'Unable to locate package {name}' in str(caught.value)


def test_an_image_without_a_package_manager_says_so(build):
    with pytest.raises(charm_image.StepError, match='the image has no package manager') as caught:
        build(resources.Package(name='hello'))
    assert caught.value.status == 127


def test_commands_are_run_as_users_and_groups_of_every_kind(build, build_engine):
    say = 'sh -c "echo $(id -u) $(id -g) $(id -G) $HOME >/out/%s"'
    built = build(
        resources.Directory(name='/out', mode='1777'),
        resources.Group(name='staff2', gid=2000),
        resources.Group(name='more', gid=2001),
        resources.User(name='app', uid=1500, home='/home/app', groups=['more'], shell='/bin/bash'),
        resources.Execute(command=say % 'user', user='app'),
        resources.Execute(command=say % 'number', user=1500),
        resources.Execute(command=say % 'group', user='app', group='staff2'),
        resources.Execute(command=say % 'unknown', user=7777),
        resources.Execute(command=say % 'both', user=7777, group=8888),
        resources.Execute(command=say % 'root', group='staff2'),
        resources.File(name='/out/own', contents='x', owner='app'),
        resources.File(name='/out/base', contents='x', owner='www-data'),
        resources.File(name='/out/nobody', contents='x', owner='nobody', mode='2755'),
        from_image=build_engine.debian,
    )
    told = {name.rpartition('/')[2]: content for name, content in built.contents.items()}
    assert told['user'] == told['number'] == b'1500 1500 1500 2001 /home/app\n'
    assert told['group'] == b'1500 2000 2000 1500 2001 /home/app\n'
    assert told['unknown'] == b'7777 0 0 /\n'
    assert told['both'] == b'7777 8888 8888 /\n'
    assert told['root'] == b'0 2000 2000 0 /root\n'
    assert built.stat('/out/own') == '0644 1500:1500'
    assert built.stat('/out/base') == '0644 33:33'
    assert built.stat('/out/nobody') == '2755 65534:65534'
    assert built.stat('/home/app/.profile') == '0644 1500:1500'


def test_users_and_groups_are_changed_and_removed(build, build_engine):
    built = build(
        resources.User(name='www-data', shell='/bin/bash', fullname='The Web', groups=['games']),
        resources.User(name='games', disabled_password=True, groups=['tape'], append=False),
        resources.User(name='toor', uid=0, gid=0, system=False),
        resources.User(name='human', system=False),
        resources.User(name='news', policy='remove'),
        resources.Group(name='tape', gid=2626),
        resources.Group(name='voice', policy='remove'),
        from_image=build_engine.debian,
    )
    users = built.contents['/etc/passwd'].decode().splitlines()
    shadow = built.contents['/etc/shadow'].decode().splitlines()
    groups = built.contents['/etc/group'].decode().splitlines()
    assert 'www-data:x:33:33:The Web:/var/www:/bin/bash' in users
    assert 'toor:x:0:0::/home/toor:/bin/sh' in users
    assert 'human:x:1000:1000::/home/human:/bin/sh' in users
    assert not [line for line in (*users, *shadow, *groups) if line.startswith(('news', 'voice'))]
    assert 'games:x:60:www-data' in groups
    assert 'tape:x:2626:games' in groups
    assert next(line for line in shadow if line.startswith('games')).split(':')[1] == '*'
    assert 'human:!:::::::' in shadow
    assert built.stat('/etc/shadow') == '0640 0:42'
    assert built.stat('/etc/passwd') == '0644 0:0'
    checked = build_engine.run(built.id, 'sh', '-c', 'pwck -r -q; grpck -r -q || echo $?')
    assert b'invalid' not in checked


def test_a_user_of_the_base_with_another_group_has_to_say_so(build, build_engine):
    with pytest.raises(charm_image.StepError, match='set group or gid'):
        build(resources.User(name='nobody', shell='/bin/sh'), from_image=build_engine.debian)
    built = build(
        resources.User(name='nobody', group='nogroup'),
        resources.File(name='/own', contents='', owner='nobody'),
        from_image=build_engine.debian,
    )
    assert built.stat('/own') == '0644 65534:65534'
