"""Builds an image for several platforms, each with its engine, at the same time."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

from charm_image import _concurrently, _errors, _progress
from charm_image._build import build_target, engines, events
from charm_image._oci import oci_archive, platforms
from container_image import reference as references

_Progress = _progress.Progress


def build_index(
    builds: Mapping[platforms.Platform, build_target.Build],
    output: str | os.PathLike[str],
    tag: str | None,
    epoch: int | None = None,
) -> Generator[_Progress, None, str]:
    """Build all, and write an OCI archive of them to `output`; return the digest of its index.

    If one fails, the others are ended, and nothing is written. With `epoch`, in seconds, no time
    in the archive is later.

    Raises:
        _errors.BuildError: one cannot be built; the message begins with its platform
    """
    yield from _concurrently.run([_prepare(group) for group in _by_engine(builds.values())])
    with contextlib.ExitStack() as stack:
        saved: dict[platforms.Platform, oci_archive.SavedImage] = {}
        for platform in builds:
            file = stack.enter_context(oci_archive.temporary(output))
            saved[platform] = oci_archive.SavedImage(file, epoch=epoch)
        tasks = [_build(build, saved[platform]) for platform, build in builds.items()]
        yield from _once(_concurrently.run(tasks))
        archive = oci_archive.ArchiveWriter.for_platforms(saved, tag)
        yield from events.watched(f'writing {os.fspath(output)}', archive.write(output))
    for platform, build in builds.items():
        name = '' if tag is None else _tag_of(tag, platform)
        if name and build.tag(name):
            yield _Progress('note', f'tagged {name}', platform=str(platform))
    return archive.digest


def _by_engine(builds: Iterable[build_target.Build]) -> list[list[build_target.Build]]:
    """Return the builds of each engine, those whose base it already has first."""
    groups: dict[str, list[build_target.Build]] = {}
    for build in builds:
        groups.setdefault(build.engine_id, []).append(build)
    return [sorted(group, key=lambda build: build.base_missing) for group in groups.values()]


def _prepare(group: Sequence[build_target.Build]) -> _concurrently.Task[_Progress]:
    def steps() -> Generator[_Progress, None, None]:
        for build in group:
            yield from _named(build, build.prepare(len(group) > 1))

    def stop() -> None:
        for build in group:
            build.stop()

    return _concurrently.Task(steps, stop)


def _build(
    build: build_target.Build, image: oci_archive.SavedImage
) -> _concurrently.Task[_Progress]:
    def steps() -> Generator[_Progress, None, None]:
        yield from build.build()
        yield _Progress('built', 'built')
        yield from build.save(image.archive)
        # while images for other platforms are still built
        yield from events.watched('reading the image', image.measure())

    return _concurrently.Task(lambda: _named(build, steps()), build.stop)


def _named(
    build: build_target.Build, steps: Iterator[_Progress]
) -> Generator[_Progress, None, None]:
    """Add the platform of a build to its progress and its error."""
    platform = str(build.target.platform)
    try:
        with engines.as_build_error():
            for progress in steps:
                yield dataclasses.replace(progress, platform=platform)
    except _errors.BuildError as error:
        error.message = f'{platform}: {error.message}'
        raise


def _once(steps: Iterator[_Progress]) -> Iterator[_Progress]:
    """Leave out repeated notes, such as about an engine that builds for two platforms."""
    noted: set[str] = set()
    for progress in steps:
        if progress.state != 'note' or progress.text not in noted:
            yield progress
        if progress.state == 'note':
            noted.add(progress.text)


def _tag_of(tag: str, platform: platforms.Platform) -> str:
    name = tag if references.Reference.parse(tag).tag else f'{tag}:latest'
    return f'{name}-{str(platform).replace("/", "-")}'
