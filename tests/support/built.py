"""What is in an image that an engine has."""

import io
import tarfile


class Built:
    """An image, and the files in it as a container's export has them."""

    def __init__(self, engine, image, progress=()):
        self.id = image
        self.progress = progress
        attrs = engine.client.api.inspect_image(self.id)
        self.config = attrs['Config']
        container = engine.client.api.create_container(self.id, ['/none'])
        archive = io.BytesIO(b''.join(engine.client.api.export(container)))
        engine.client.api.remove_container(container)
        self.files = {}
        self.contents = {}
        with tarfile.open(fileobj=archive) as tar:
            for member in tar:
                name = '/' + member.name.strip('/')
                self.files[name] = member
                if member.isfile() and member.size < 1 << 20:
                    self.contents[name] = tar.extractfile(member).read()

    def stat(self, path):
        member = self.files[path]
        return f'{member.mode & 0o7777:04o} {member.uid}:{member.gid}'
