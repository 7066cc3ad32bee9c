"""Builds an image for several platforms, each with its engine, at the same time."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import IO

from charm_image import _concurrently, _errors, _progress
from charm_image._build import build_target, engines, events
from charm_image._oci import oci_archive, platforms
from container_image import reference as references

_Progress = _progress.Progress


@dataclasses.dataclass
class Images:
    """The builds of an image by platform; `digest` is the index's, once all are built."""

    builds: Mapping[platforms.Platform, build_target.Build]
    epoch: int | None = None  # the latest time in the archive, in seconds
    digest: str = ''

    def build_index(self, output: str | os.PathLike[str], tag: str | None) -> Iterator[_Progress]:
        """Build all, and write an OCI archive of them to `output`.

        If one fails, the others are ended, and nothing is written.

        Raises:
            _errors.BuildError: one cannot be built; the message begins with its platform
        """
        yield from _concurrently.run([self._prepared(group) for group in self._engines()])
        with contextlib.ExitStack() as stack:
            saved: dict[platforms.Platform, oci_archive.SavedImage] = {}
            tasks = []
            for platform, build in self.builds.items():
                file = stack.enter_context(oci_archive.temporary(output))
                tasks.append(self._built(platform, build, file, saved))
            yield from _once(_concurrently.run(tasks))
            archive = oci_archive.ArchiveWriter.for_platforms(saved, tag)
            name = f'writing {os.fspath(output)}'
            yield from events.watched(name, archive.write(output))
            self.digest = archive.digest
        if tag is not None:
            for platform, build in self.builds.items():
                name = _tag_of(tag, platform)
                if build.tag(name):
                    yield _Progress('note', f'tagged {name}', platform=str(platform))

    def _engines(self) -> list[list[platforms.Platform]]:
        """Return the platforms of each engine, those whose base it already has first."""
        groups: dict[str, list[platforms.Platform]] = {}
        for platform, build in self.builds.items():
            groups.setdefault(build.engine_id, []).append(platform)
        return [
            sorted(group, key=lambda each: self.builds[each].base_missing)
            for group in groups.values()
        ]

    def _prepared(self, group: Sequence[platforms.Platform]) -> _concurrently.Task[_Progress]:
        def steps() -> Generator[_Progress, None, None]:
            for platform in group:
                prepare = functools.partial(self.builds[platform].prepare, len(group) > 1)
                yield from _of(platform, prepare)

        def stop() -> None:
            for platform in group:
                self.builds[platform].stop()

        return _concurrently.Task(steps, stop)

    def _built(
        self,
        platform: platforms.Platform,
        build: build_target.Build,
        file: IO[bytes],
        saved: dict[platforms.Platform, oci_archive.SavedImage],
    ) -> _concurrently.Task[_Progress]:
        def steps() -> Generator[_Progress, None, None]:
            yield from build.build()
            yield _Progress('built', 'built')
            yield from build.save(file)
            image = oci_archive.SavedImage(file, epoch=self.epoch)
            # while images for other platforms are still built
            yield from events.watched('reading the image', image.measure())
            saved[platform] = image

        return _concurrently.Task(lambda: _of(platform, steps), build.stop)


def _of(
    platform: platforms.Platform, steps: Callable[[], Iterator[_Progress]]
) -> Generator[_Progress, None, None]:
    """Add the platform to the progress and to the error of a build."""
    try:
        with engines.as_build_error():
            for progress in steps():
                yield dataclasses.replace(progress, platform=str(platform))
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
