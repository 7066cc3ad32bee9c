"""A repository of tiny rpm packages, and a Debian that installs them by dnf."""

_SPEC = """\
Name: {name}
Version: {version}
Release: 1
Summary: A package for tests
License: Apache-2.0
BuildArch: noarch
{more}
%description
%files
/usr/share/{name}
%install
mkdir -p %{{buildroot}}/usr/share/{name}
echo {version} >%{{buildroot}}/usr/share/{name}/version
"""

# runs in the base before it is packed; apt-get goes, so that dnf is the manager that it has
PREPARE = """\
set -e
cd /srv
rpmbuild -bb --define '_topdir /srv/rpmbuild' --define '_rpmdir /srv/rpms' *.spec
createrepo_c --quiet /srv/rpms
rm -rf /srv/rpmbuild *.spec
mkdir -p /etc/yum.repos.d
printf '[t]\\nname=t\\nbaseurl=file:///srv/rpms\\ngpgcheck=0\\n' >/etc/yum.repos.d/t.repo
rm /usr/bin/apt-get
# the program that Fedora and its kin call yum
ln -s dnf /usr/bin/yum
rm -rf /root/.rpmdb /var/lib/rpm/* /var/lib/apt/lists/* /var/cache/apt/* /var/cache/dnf
"""

SPECS = {
    f'{name}-{version}.spec': _SPEC.format(name=name, version=version, more=more)
    for name, version, more in (
        ('hello', '1.0', ''),
        ('hello', '1.5', 'Recommends: greeting\nRequires: base-of-hello\n'),
        ('base-of-hello', '1', ''),
        ('greeting', '1', ''),
        ('other', '1', ''),
    )
}
