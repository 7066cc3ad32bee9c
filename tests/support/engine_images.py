"""Images that an engine builds by itself."""

import io
import tarfile


def make(engine, name, contents):
    """Build an image with a layer for each of `contents`, by the engine's own builder.

    Without a name, it has none in the engine either.
    """
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode='w') as archive:
        dockerfile = 'FROM scratch\n' + ''.join(
            f'COPY {number} /{number}\n' for number in range(len(contents))
        )
        for member, content in (
            ('Dockerfile', dockerfile.encode()),
            *((str(number), content) for number, content in enumerate(contents)),
        ):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    context.seek(0)
    build = engine.client.api.build(
        fileobj=context, custom_context=True, tag=name, decode=True, rm=True
    )
    events = list(build)
    identities = [event['aux']['ID'] for event in events if 'ID' in event.get('aux', {})]
    image = engine.client.images.get(name or identities[-1])
    assert image.attrs['RootFS']['Layers'], events
    return image
