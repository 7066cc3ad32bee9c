"""An OpenSSH server on loopback, which lets in who has its key."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import time

import support

_CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host
AuthorizedKeysFile {home}/user.pub
StrictModes no
UsePAM no
PidFile none
"""
_CLIENT = """\
#!/bin/sh
exec {ssh} -F none -i {home}/user -o StrictHostKeyChecking=no \\
    -o UserKnownHostsFile={home}/known -o LogLevel=ERROR "$@"
"""


@contextlib.contextmanager
def running(home):
    """Run it with its files in the directory `home`; yield its port.

    The program `home`/ssh is a client that has the key.
    """
    support.require_root()
    support.require('sshd', 'ssh', 'ssh-keygen')
    home = pathlib.Path(home)
    for name in ('host', 'user'):
        command = ['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', home / name]
        subprocess.run(command, check=True)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    (home / 'config').write_text(_CONFIGURATION.format(port=port, home=home))
    (home / 'ssh').write_text(_CLIENT.format(ssh=shutil.which('ssh'), home=home))
    (home / 'ssh').chmod(0o755)
    (home / 'shadow').write_text('root:*:1:0:99999:7:::\n')
    # it wants a directory in /run, and a root whose password is not locked, as on fresh machines:
    # nobody else shall see either
    script = 'mount -t tmpfs tmpfs /run; mkdir /run/sshd; mount --bind "$2" /etc/shadow; '
    script += 'exec "$(command -v sshd)" -D -f "$1"'
    with (home / 'log').open('wb') as log:
        process = subprocess.Popen(
            ['unshare', '--mount', 'sh', '-euc', script, 'sh', home / 'config', home / 'shadow'],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, 'PATH': f'{os.environ["PATH"]}:/usr/sbin'},
        )
    try:
        deadline = time.monotonic() + 30
        while socket.socket().connect_ex(('127.0.0.1', port)):
            assert process.poll() is None, (home / 'log').read_text()
            assert time.monotonic() < deadline, (home / 'log').read_text()
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()
