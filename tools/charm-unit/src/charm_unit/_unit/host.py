"""Programs that would change the machine: a simulated unit has stand-ins for them.

A charm on layer:basic, or one that calls charmhelpers.fetch, installs packages and starts
services. On an author's machine that is nobody's wish, and without root it fails.
"""

import pathlib

from charm_unit._unit import juju_version

PROGRAMS = (
    *('apt-get', 'apt', 'apt-mark', 'add-apt-repository', 'dpkg', 'snap', 'yum'),
    *('systemctl', 'service', 'initctl', 'update-rc.d'),
    *('useradd', 'adduser', 'userdel', 'groupadd', 'addgroup', 'usermod', 'gpasswd'),
    *('modprobe', 'sysctl', 'update-grub', 'reboot', 'shutdown'),
)

_SCRIPT = """#!/bin/sh
echo "charm-unit: not run: ${0##*/} $*" >&2
"""


def install(folder: pathlib.Path) -> None:
    """Put the stand-ins into a unit's folder."""
    programs = folder / 'host'
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).write_text(_SCRIPT)
        (programs / name).chmod(0o755)


def install_jujud(folder: pathlib.Path, juju: juju_version.JujuVersion) -> None:
    """Put what tells Juju's version to where in_hooks lets charmhelpers find it."""
    program = folder / 'jujud' / 'machine-0' / 'jujud'
    program.parent.mkdir(parents=True)
    version = '.'.join(map(str, juju.numbers))
    program.write_text(f'#!/bin/sh\necho {version}-ubuntu-amd64\n')
    program.chmod(0o755)
