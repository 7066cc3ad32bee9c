"""Packages by dnf, and by a yum that is dnf, on a base with an empty rpm database."""

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
    return built.contents.get(f'/usr/share/{name}/version', b'').decode().strip()


@pytest.mark.parametrize('backend', [None, 'yum'])
def test_packages_are_installed_without_weak_dependencies_or_caches(build, dnf_base, backend):
    base = build(labels={'nothing': 'else'}, from_image=dnf_base)
    built = build(
        resources.Package(name='hello', backend=backend),
        resources.Package(name='other', backend=backend),
        from_image=dnf_base,
    )
    assert version_of(built, 'hello') == '1.5'
    assert version_of(built, 'base-of-hello') == version_of(built, 'other') == '1'
    assert version_of(built, 'greeting') == ''
    new = set(built.files) - set(base.files)
    assert not [name for name in new if 'cache' in name or 'charm' in name]


def test_package_has_the_version_asked_for(build, dnf_base):
    built = build(resources.Package(name='hello', version='1.0'), from_image=dnf_base)
    assert version_of(built, 'hello') == '1.0'


def test_a_package_is_removed_and_what_is_absent_is_not_an_error(build, dnf_base):
    built = build(
        resources.Package(name='hello'),
        resources.Package(id='gone', name='hello', policy='uninstall'),
        resources.Package(name='never-there', policy='remove'),
        from_image=dnf_base,
    )
    assert version_of(built, 'hello') == ''


def test_package_that_no_repository_has_is_an_error_with_what_dnf_said(build, dnf_base):
    with pytest.raises(charm_image.StepError, match='No match for argument') as caught:
        build(resources.Package(name='no-such-package'), from_image=dnf_base)
    assert caught.value.resource == 'Package[no-such-package]'
