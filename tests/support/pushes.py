"""What the tests of a push share."""

import hashlib
import io
import json
import urllib.parse

from container_image import registry
from support import registry_case as case


class Uploads:
    """A registry that takes uploads, with faults at the places that `faults` names, once each."""

    def __init__(self, *faults):
        self.faults = list(faults)
        self.blobs = {}
        self.parts = b''

    def __call__(self, exchange):
        fault = self.faults[0] if self.faults else ('', None)
        if fault[0] == exchange.command:
            self.faults.pop(0)
            if fault[1] is None:
                case.cut(exchange)
                return
            exchange.body()
            exchange.reply(fault[1])
            return
        self.answer(exchange)

    def answer(self, exchange):
        content = exchange.body()
        if exchange.command == 'HEAD':
            exchange.reply(200 if exchange.path.rpartition('/')[2] in self.blobs else 404)
        elif exchange.command == 'POST':
            self.parts = b''
            exchange.reply(202, Location='/upload?state=1')
        elif exchange.command == 'PATCH':
            self.parts += content
            exchange.reply(202, Location='/upload?state=2')
        else:
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(exchange.path).query)
            assert query['state']
            self.blobs[query['digest'][0]] = self.parts
            exchange.reply(201)


BLOB = bytes(range(256)) * 5000

BLOB_DIGEST = 'sha256:' + hashlib.sha256(BLOB).hexdigest()


def push(host, open_blob=lambda: io.BytesIO(BLOB), size=None, progress=None):
    size = len(BLOB) if size is None else size
    with registry.Client(host) as client:
        client.push_blob('team/app', BLOB_DIGEST, size, open_blob, progress)


def manifest_refused(times, status=400, code='MANIFEST_BLOB_UNKNOWN'):
    """A registry that refuses so many manifests, and what it was asked."""
    left = [times]

    def answer(exchange):
        exchange.body()
        if not left[0]:
            exchange.reply(201)
            return
        left[0] -= 1
        exchange.reply(status, json.dumps({'errors': [{'code': code}]}).encode())

    return case.registry_that(answer)


def put(host, **kwargs):
    with registry.Client(host, **kwargs) as client:
        return client.put_manifest('team/app', '1.0', case.MANIFEST, case.TYPE)
