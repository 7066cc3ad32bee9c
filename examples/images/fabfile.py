"""An image as a task of Fabric.

fab app-server
fab app-server --from-image=debian:bookworm --tag=mytag --message="HELLO AGAIN!"
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
