"""What mypy finds in a fabfile; with warn_unused_ignores, each ignored error has to be found."""

from collections.abc import Iterator

from invoke.context import Context

from charm_image import DockerBuilder, ResourceBundle
from charm_image.fabric import ImageTask, docker_container
from charm_image.resources import Directory, Execute, File, Resource

File('/a', contents='', id='a', policy='apply', watches=['b'])
File(name='/a', contents='', bogus=1)  # type: ignore[call-arg]
File(name='/a', contents=5)  # type: ignore[arg-type]
File('/a', 'contents')  # type: ignore[call-arg]
Directory(name='/a', polcy='remove')  # type: ignore[call-arg]
Execute(command='make', watches=5)  # type: ignore[arg-type]
DockerBuilder(ResourceBundle(), 'debian:12', tag='a')
DockerBuilder(ResourceBundle(), 'debian:12', 'a')  # type: ignore[call-arg]


@docker_container
def bare(bundle: ResourceBundle) -> Iterator[Resource]:
    yield File('/a')


@docker_container(tag='app', ports=[8000])
def app(bundle: ResourceBundle, word: str, count: int = 1) -> Iterator[Resource]:
    yield File('/a', contents=word * count)


docker_container(tga='app')  # type: ignore[call-overload]


def release(context: Context) -> str | None:
    task: ImageTask[[]] = bare
    task(context)
    bare(context, tag='app')
    bare(context, tga='app')  # type: ignore[call-overload]
    app(context, 5)  # type: ignore[call-overload]
    app(context, 'a', cuont=2)  # type: ignore[call-overload]
    app.__wrapped__(ResourceBundle(), 'a', count=2)
    return app(context, 'a', count=2)
