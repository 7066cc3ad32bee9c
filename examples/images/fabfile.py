"""Images as tasks of Fabric.

fab app-server
fab app-server --from-image=debian:bookworm --tag=mytag --message="HELLO AGAIN!"
fab app-server --platform=linux/amd64,linux/arm64 --output=app-server.tar
fab greeter --engine linux/arm64=ssh://me@arm.example.com
fab site --check-reproducible
docker run --rm --tty --interactive --publish 8000 myproject:appserver
"""

from charm_image.fabric import docker_container
from charm_image.resources import *


@docker_container(
    tag='myproject:appserver',
    ports=[8000],
    cmd=['python3', '-m', 'http.server'],
)
def app_server(bundle, message='HELLO WORLD!', **kwargs):
    """A web server that greets at /index.html."""
    yield Package(name='python3')
    yield File(name='/index.html', contents=f'{message}\n')


@docker_container(
    from_image='busybox:1.37',
    platform=['linux/amd64', 'linux/arm64'],
    output='greeter.tar',
    cmd=['cat', '/greeting'],
)
def greeter(bundle, platform):
    """An image for two platforms, which greets from each of them."""
    yield File(name='/greeting', contents=f'Hello from {platform}\n')


@docker_container(
    from_image='busybox:1.37',
    entrypoint=['httpd', '-f', '-p', '8000'],
    workdir='/srv/site',
    user='1000:1000',
    ports=[8000],
    stop_signal='SIGTERM',
)
def site(bundle):
    """A tree of files and its web server; it has the same digest on every engine and day."""
    yield Directory(
        name='/srv/site',
        source='site',
        exclude=['**/*.md'],
        mode='644',
        directory_mode='755',
    )
    yield Link(name='/srv/site/start.html', to='index.html')
