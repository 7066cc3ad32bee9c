"""Programs of arm64: how this machine runs them, and a base that has some."""

import contextlib
import gzip
import json
import pathlib
import subprocess

import services
from services import debian, engine, layouts

_ENTRY = 'qemu-aarch64'
_CONFIGURATION = pathlib.Path('/usr/lib/binfmt.d/qemu-aarch64.conf')
# mounted where nobody else sees it; what is registered is the kernel's
_IN_BINFMT = (
    'd=$(mktemp -d); trap "umount $d; rmdir $d" EXIT; mount -t binfmt_misc none $d; cd $d; '
)


@contextlib.contextmanager
def arm64():
    """Have the kernel run programs of arm64 by QEMU; as before afterwards."""
    services.require_root()
    services.require('qemu-aarch64-static')
    ours = _binfmt(f'[ -e {_ENTRY} ] || {{ cat {_CONFIGURATION} >register; echo ours; }}')
    try:
        yield
    finally:
        if ours:
            _binfmt(f'echo -1 >{_ENTRY}')


def _binfmt(script):
    command = ['unshare', '--mount', 'sh', '-euc', _IN_BINFMT + script + '; cd /']
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


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
