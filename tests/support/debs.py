"""A repository of tiny Debian packages."""

import hashlib
import shutil
import subprocess

import support

CONTROL = """\
Package: {name}
Version: {version}
Architecture: all
Maintainer: Ada <ada@example.com>
Description: a package for tests
{more}"""


def repository(home):
    """Make it in the directory `home`: hello in two versions, one that it recommends, and names.

    Gives its files.
    """
    support.require('dpkg-deb')
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
