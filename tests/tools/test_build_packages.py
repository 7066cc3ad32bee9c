"""Packages, from an apt repository inside the base, so that no test leaves the machine."""

import hashlib
import shutil
import subprocess

import pytest

import charm_image
import services
from charm_image import resources

# the scripts are the same for all builders
pytestmark = pytest.mark.parametrize('build_engine', ['BuildKit'], indirect=True)

CONTROL = """\
Package: {name}
Version: {version}
Architecture: all
Maintainer: Ada <ada@example.com>
Description: a package for tests
{more}"""


@pytest.fixture(scope='module')
def repository(tmp_path_factory):
    """Files of a repository: hello in three versions, one that hello recommends, and names."""
    services.require('dpkg-deb')
    home = tmp_path_factory.mktemp('repository')
    index = ''
    for name, version, more in (
        ('hello', '1.0-1', ''),
        ('hello', '1:1.5-1', 'Recommends: greeting\nDepends: base-of-hello\n'),
        ('base-of-hello', '1', ''),
        ('greeting', '1', ''),
        ('libx39y', '1', ''),
    ):
        tree = home / 'tree'
        (tree / 'DEBIAN').mkdir(parents=True)
        (tree / 'usr/share' / name).mkdir(parents=True)
        (tree / 'usr/share' / name / 'version').write_text(version)
        control = CONTROL.format(name=name, version=version, more=more)
        (tree / 'DEBIAN/control').write_text(control)
        script = tree / 'DEBIAN/postinst'
        script.write_text(f'#!/bin/sh\necho "$DEBIAN_FRONTEND $FLAVOR" >/{name}.asked\n')
        script.chmod(0o755)
        package = home / f'{name}_{version.replace(":", "%3a")}.deb'
        command = ['dpkg-deb', '--root-owner-group', '--build', tree, package]
        subprocess.run(command, check=True, capture_output=True)
        shutil.rmtree(tree)
        content = package.read_bytes()
        index += control + f'Filename: ./{package.name}\nSize: {len(content)}\n'
        index += f'SHA256: {hashlib.sha256(content).hexdigest()}\n\n'
    (home / 'Packages').write_text(index)
    return sorted(home.iterdir())


@pytest.fixture
def base(build, build_engine, repository):
    """A Debian whose apt knows that repository only."""
    return build(
        *(resources.File(name=f'/repository/{each.name}', source=each) for each in repository),
        resources.File(
            name='/etc/apt/sources.list', contents='deb [trusted=yes] file:/repository ./\n'
        ),
        from_image=build_engine.debian,
        tag='with-repository:latest',
    )


def version_of(built, name):
    return built.contents.get(f'/usr/share/{name}/version', b'').decode()


def test_packages_are_installed_without_recommends_lists_or_archives(build, base):
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
    new = set(built.files) - set(base.files)
    assert not [name for name in new if name.endswith(('.deb', '.bin', '_Packages'))]
    assert not [name for name in new if 'charm' in name]
    assert sum(progress.state == 'done' for progress in built.progress) == 1


def test_the_asked_version_is_had_even_if_another_one_is_there(build, base):
    built = build(
        resources.Package(name='hello'),
        resources.Package(id='older', name='hello', version='1.0-1'),
        from_image='with-repository',
    )
    assert version_of(built, 'hello') == '1.0-1'


def test_what_is_installed_already_needs_no_repository(build, base):
    built = build(
        resources.File(name='/etc/apt/sources.list', policy='remove'),
        resources.Package(name='dpkg'),
        from_image='with-repository',
    )
    assert not any('apt' in progress.text for progress in built.progress)


def test_a_package_is_removed_with_its_configuration_if_so_asked(build, base):
    built = build(
        resources.Package(name='hello'),
        resources.Package(id='gone', name='hello', policy='uninstall', purge=True),
        resources.Package(name='never-there', policy='remove'),
        from_image='with-repository',
    )
    assert '/usr/share/hello/version' not in built.files
    assert b'Package: hello\n' not in built.contents['/var/lib/dpkg/status']


@pytest.mark.parametrize('name', ['libx3.y', 'no-such-package'])
def test_a_name_is_no_regular_expression(build, base, name):
    with pytest.raises(charm_image.StepError) as caught:
        build(resources.Package(name=name), from_image='with-repository')
    assert caught.value.resource == f'Package[{name}]'
    assert f'no package {name}' in str(caught.value)


def test_an_image_without_a_package_manager_says_so(build):
    with pytest.raises(charm_image.StepError, match='the image has no apt, apk') as caught:
        build(resources.Package(name='hello'))
    assert caught.value.status == 127
