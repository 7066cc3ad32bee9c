"""Compares the image at a source with configurations: of an export, or of an earlier upload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from charm_image._oci import images, local_image
from charm_image._oci.platforms import Platform


def is_same(image: images.Image, configs: Sequence[images.Config]) -> bool:
    """Return whether these are configurations of the image, one for each platform."""
    if not isinstance(image, local_image.LocalImage):
        return _digests(configs) == _digests(image.contents().configs)
    return any(
        config.digest == image.id
        or (
            config.diff_ids == image.diff_ids
            and config.platform['os'] == image.platform[0]
            and image.platform[1] in ('', config.platform['architecture'])
        )
        for config in configs
    )


def complete(image: images.Image, configs: Sequence[images.Config]) -> images.Contents | None:
    """Return what the source has now, if these are all its configurations; else None.

    `docker pull --platform` adds platforms to an index in containerd's store. If the engine does
    not report them, the image is exported. Raises ImageError.
    """
    if isinstance(image, local_image.LocalImage):
        reported = images.Contents(tuple(configs), platforms(image))
        if image.id in _digests(configs):
            return reported if len(configs) == 1 else None
        if not is_same(image, configs):
            return None
        if image.variants:
            present = {Platform.of(v.platform) for v in image.variants if v.available}
            stored = {Platform.of(config.platform) for config in configs}
            return reported if present == stored else None
    contents = image.contents()
    return contents if _digests(contents.configs) == _digests(configs) else None


def platforms(image: images.Image) -> tuple[Mapping[str, Any], ...]:
    """Return the platforms in the index of an image, as far as known without an export."""
    if isinstance(image, local_image.LocalImage):
        return tuple(variant.platform for variant in image.variants)
    return image.contents().platforms


def present_platforms(image: images.Image) -> Sequence[Mapping[str, Any]]:
    """Return the platforms whose files the source has, as far as known without an export."""
    if isinstance(image, local_image.LocalImage):
        if image.variants:
            return [variant.platform for variant in image.variants if variant.available]
        if image.platform[1]:
            return [image.default_platform()]
    return [config.platform for config in image.contents().configs]


def digests(image: images.Image) -> Sequence[str]:
    """Return what a registry may call the image: its digests in registries, and its ID."""
    if not isinstance(image, local_image.LocalImage):
        return ()
    return tuple(dict.fromkeys((image.id, *image.repo_digests)))


def hint(image: images.Image) -> str:
    """Return what to do if some files of the image are missing, in the imperative."""
    if isinstance(image, local_image.LocalImage):
        return image.hint
    return 'save the image again'


def _digests(configs: Sequence[images.Config]) -> set[str]:
    return {config.digest for config in configs}
