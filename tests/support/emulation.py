"""Programs of arm64: how this machine runs them, and a base that has some."""

import contextlib
import gzip
import json
import pathlib
import secrets
import subprocess

import support
from support import debian, engine, layouts

_CONFIGURATION = pathlib.Path('/usr/lib/binfmt.d/qemu-aarch64.conf')
_PREFIX = 'tests-aarch64-'
# Mounted where nobody else sees it, and for as long as it is wanted: what is registered is the
# kernel's, and since Linux 6.7 it goes with the last mount. Ends with its standard input.
_MOUNTED = """
d=$(mktemp -d)
trap 'cd /; umount "$d"; rmdir "$d"' EXIT
mount -t binfmt_misc none "$d"
cd "$d"
"""
_REGISTERED = f"""{_MOUNTED}
sed "s/^:[^:]*:/:$1:/" {_CONFIGURATION} >register
echo registered
cat >/dev/null
echo -1 >"$1"
"""


@contextlib.contextmanager
def arm64():
    """Have the kernel run programs of arm64 by QEMU; as before afterwards."""
    support.require_root()
    support.require('qemu-aarch64-static')
    # of its own, so that tests that run at the same time take nothing from each other
    entry = f'{_PREFIX}{secrets.token_hex(4)}'
    process = subprocess.Popen(
        ['unshare', '--mount', 'sh', '-euc', _REGISTERED, 'sh', entry],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == 'registered\n'
        yield entry
    finally:
        process.communicate()
        assert process.returncode == 0


def registered():
    """Give the names of what the kernel runs by other programs, but for other runs of tests."""
    script = ['unshare', '--mount', 'sh', '-euc', f'{_MOUNTED} ls']
    names = subprocess.run(script, check=True, capture_output=True, text=True).stdout.split()
    return sorted(name for name in names if not name.startswith(_PREFIX))


class _Image(layouts.Image):
    """An image with the history that podman 4 wants of a base."""

    @property
    def config(self):
        history = [{'created_by': 'test'}] * len(self.layers)
        return json.dumps({**json.loads(super().config), 'history': history}).encode()


def base():
    """An OCI archive of busybox for amd64 and arm64; and for s390x, whose programs are none."""
    program = debian.busybox_of('arm64')
    return layouts.containerd(
        _Image((engine.busybox_archive().read(),)),
        _Image((engine.busybox_archive(program).read(),), 'arm64', variant='v8'),
        _Image((layouts.tar([('bin/sh', b'\x7fELF of another machine')]),), 's390x'),
        # the same bytes whenever it is made
        compress=lambda layer: gzip.compress(layer, mtime=0),
        attested=False,
    )
