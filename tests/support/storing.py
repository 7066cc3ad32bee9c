"""What the tests of the store share."""

import io

from charm_image._upload import credentials, store

FILE, IMAGE = ('my-charm', 'my-file'), ('my-charm', 'my-image')


def connect(hub, found=None, **kwargs):
    found = found or credentials.Credentials('CHARMCRAFT_AUTH', hub.token)
    return store.Store(found, api_url=hub.url, storage_url=hub.url, **kwargs)


def send(client, content=b'content', **kwargs):
    return client.send(io.BytesIO(content), len(content), 'name', **kwargs)


def create(client, content=b'content', resource=FILE):
    upload_id = send(client, content)
    type_ = 'file' if resource == FILE else 'oci-image'
    client.create_revision(*resource, upload_id, type_, ['all'])
    return client.wait('my-charm', upload_id, 10)
