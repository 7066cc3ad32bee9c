"""The fabfile of the tests."""

FABFILE = """
from charm_image.fabric import docker_container
from charm_image.resources import *
from fabric import task


@docker_container
def bare(bundle):
    yield File(name='/bare', contents='')


@docker_container(
    from_image='busybox:static',
    tag='tests:fabric',
    env={'LANG': 'C', 'KEPT': 'yes'},
    ports=[8000],
    volumes=['/data'],
    cmd=['true'],
    labels={'kept': 'yes'},
    maintainer='Nobody',
)
def app_server(
    bundle, word, count: int = 1, ratio=0.5, loud=False, names=('a',), sizes={'s': '1'}, **kwargs
):
    '''Serve the app.

    It has a second paragraph.
    '''
    yield File(name='/own', contents=repr((word, count, ratio, loud, names, sizes)))
    yield File(name='/tag', contents=str(kwargs['tag']))


@docker_container(from_image='busybox:static')
def small(bundle, content='hello', status=0):
    bundle.add(File(name='/greeting', contents=''.join(content)))
    if status:
        bundle.add(Execute(name='fails', command=['sh', '-c', f'echo ouch; exit {status}']))


@docker_container(from_image='busybox:static')
def wrong_argument(bundle):
    yield File(name='/a')
    yield File(name='relative')


@docker_container(from_image='busybox:static')
def double(bundle):
    yield File(name='/a')
    yield File(name='/a')


@docker_container(from_image='busybox:static')
def broken(bundle):
    yield File(name='/a')
    yield File(name={}['absent'])


@docker_container(from_image='busybox:static')
def forgot_to_yield(bundle):
    File(name='/a')


@docker_container(from_image='busybox:static')
def no_resource(bundle):
    yield 'a string'


@docker_container(from_image='busybox:static')
def added(bundle):
    bundle.add(File)


@docker_container(ports=80)
def wrong_setting(bundle):
    yield File(name='/a')


@docker_container(from_image='busybox:static')
def slow(bundle, context='a name that is not taken'):
    yield Execute(name='sleeps', command=['sh', '-c', 'echo begun; exec sleep 1000'])


@docker_container(
    from_image='scratch',
    platform=['linux/amd64', 'linux/arm64'],
    engines={'linux/arm64': 'ssh://arm.example.com'},
)
def worker(bundle, platform):
    yield File(name='/platform', contents=platform)


@task
def upload(context):
    image = small(context, content=['from', 'a task'], network='host', env={'X': 'yes'})
    print('uploading', image)
"""


def line_of(text):
    return FABFILE[: FABFILE.index(text)].count('\n') + 1
