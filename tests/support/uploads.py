"""What the tests of charm-upload-resource share."""

import contextlib
import hashlib
import io
import itertools
import json
import os
import pathlib
import pty
import select
import subprocess
import sys
import tarfile
import time

from charm_image import _progress

PROGRAM = pathlib.Path(sys.executable).with_name('charm-upload-resource')

ABSENT = 'sha256:' + 64 * 'a'

_numbers = itertools.count(1)


def make_archive(path, architectures=('amd64',), layer=None, absent=()):
    if layer is None:
        layer = f'layer {next(_numbers)}'.encode()
    with tarfile.open(path, 'w') as archive:

        def add(name, content):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))

        def blob(kind, content):
            digest = hashlib.sha256(content).hexdigest()
            add(f'blobs/sha256/{digest}', content)
            return {
                'mediaType': f'application/vnd.oci.image.{kind}',
                'digest': f'sha256:{digest}',
                'size': len(content),
            }

        files = io.BytesIO()
        with tarfile.open(fileobj=files, mode='w') as tar:
            info = tarfile.TarInfo('file')
            info.size = len(layer)
            tar.addfile(info, io.BytesIO(layer))
        diff_id = 'sha256:' + hashlib.sha256(files.getvalue()).hexdigest()
        layers = [blob('layer.v1.tar', files.getvalue())]
        manifests = []
        for architecture in architectures:
            config = {'architecture': architecture, 'os': 'linux', 'config': {}}
            config['rootfs'] = {'type': 'layers', 'diff_ids': [diff_id]}
            manifest = {
                'schemaVersion': 2,
                'mediaType': 'application/vnd.oci.image.manifest.v1+json',
                'config': blob('config.v1+json', json.dumps(config).encode()),
                'layers': layers,
            }
            if architecture in absent:
                described = {'digest': f'sha256:{hashlib.sha256(b"").hexdigest()}', 'size': 0}
            else:
                described = blob('manifest.v1+json', json.dumps(manifest).encode())
            manifests.append(
                {**described, 'platform': {'architecture': architecture, 'os': 'linux'}}
            )
        add('index.json', json.dumps({'schemaVersion': 2, 'manifests': manifests}).encode())
        add('oci-layout', b'{"imageLayoutVersion": "1.0.0"}')
    return path


def image_id(archive):
    """The digest of the configuration of the image in an archive."""
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member).read()
            if content.startswith(b'{"architecture"'):
                return 'sha256:' + hashlib.sha256(content).hexdigest()
    return None


def sent(hub):
    """What left this machine: everything but questions."""
    return [
        (path, status) for method, path, status in hub.requests if method not in ('GET', 'HEAD')
    ]


def read(path):
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b''


def reporter(function):
    """A reporter that calls `function` with the name of each step, and its bytes."""
    return _progress.Reporter(lambda event: function(event.text, event.done, event.total))


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def in_terminal(command, environment, directory):
    """Run a program in a terminal of its own; return its status and what was shown."""
    terminal, end = pty.openpty()
    with open(end, 'wb') as file:
        process = subprocess.Popen(
            command,
            env={'COLUMNS': '120', **environment},
            cwd=directory,
            stdin=file,
            stdout=file,
            stderr=file,
        )
    shown = b''
    with contextlib.suppress(OSError):  # raised by Linux when the other end is closed
        while select.select([terminal], [], [], 60)[0]:
            data = os.read(terminal, 1 << 16)
            if not data:
                break
            shown += data
    os.close(terminal)
    return process.wait(timeout=60), shown.decode(errors='replace')
