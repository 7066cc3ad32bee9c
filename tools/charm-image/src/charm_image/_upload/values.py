"""The values that describe an upload: names, images, and references of images elsewhere.

Messages name the ways to upload with a `Spell`: as methods of `Uploader`, or as options.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from charm_image import _errors, _texts
from charm_image._oci import digests, platforms
from container_image import reference as references

#: Charmhub's names of architectures; `all` is for files that are for all of them.
ARCHITECTURES = ('all', 'amd64', 'arm64', 'armhf', 'i386', 'ppc64el', 'riscv64', 's390x')

_RISKS = ('stable', 'candidate', 'beta', 'edge')
_ENDINGS = ('.rock', '.oci', '.tar', '.tar.gz', '.tgz', '.tar.zst', '.tar.xz', '.tar.bz2')


class Spell(Protocol):
    """Spells a way to upload, so that a message can tell it."""

    def __call__(self, kind: str, value: str = '', name: str = '') -> str:
        """Return the way for a `kind` (file, image, source, only, signatures, platform), as typed.

        With a `name`, it is for this one of the resources of a charm; without `value`, it is what
        all of them have in common.
        """


class ImageName(NamedTuple):
    """An image by its full digest, the first digits of it, or the path of an archive or layout.

    `tag` chooses one of several images in an archive. `reference` is the full reference, if the
    digest came with a name.
    """

    long: str = ''
    short: str = ''
    path: str = ''
    tag: str = ''
    reference: references.Reference | None = None


def as_method(kind: str, value: str = '', name: str = '') -> str:
    """Spell a way to upload as a method of `Uploader`, or as an argument of `upload_charm`."""
    if kind in ('only', 'signatures'):
        return {'only': 'only', 'signatures': 'with_signatures=True'}[kind]
    if kind == 'platform':
        return f'platforms={value.split(",")!r}'
    method, argument = {
        'file': ('upload_file', 'files'),
        'image': ('upload_image', 'images'),
        'source': ('copy_image', 'sources'),
    }[kind]
    if name:
        return f'{argument}={{{name!r}: {value!r}}}'
    return f'{method}(…, {value!r})' if value else argument


def parse_name(value: str, spell: Spell = as_method) -> str:
    """Return the name of a charm, a resource or an upload, checked."""
    # more than Juju allows for both, but not a path or a URL
    if not re.fullmatch('[A-Za-z0-9][A-Za-z0-9_.-]*', value):
        raise _errors.ArgumentError(f'{_texts.quoted(value)} is not a valid name')
    return value


def parse_image(value: str, spell: Spell = as_method) -> ImageName:
    """Read the name of an image on this machine or in Canonical's registry.

    Raises:
        ArgumentError: it is not one. The message says what to give instead.
    """
    digest = value.lower()
    if full := digests.full(digest):
        return ImageName(long=full)
    if short := digests.short(digest):
        return ImageName(short=short)
    from charm_image._oci import archives

    if place := archives.locate(value):
        return ImageName(path=place[0], tag=place[1])
    if named := _parse_pinned(value):
        return ImageName(long=named.digest, reference=named)
    raise _errors.ArgumentError(_instead(value, spell))


def parse_architectures(value: str, spell: Spell = as_method) -> list[str]:
    """Return Charmhub's names of architectures, with commas between them, checked."""
    names = list(dict.fromkeys(value.split(',')))
    if 'all' in names and len(names) > 1:
        raise _errors.ArgumentError("'all' stands alone: it is for every architecture")
    for name in names:
        if name not in ARCHITECTURES:
            raise _errors.ArgumentError(
                f'{_texts.quoted(name)} is not an architecture of Charmhub: '
                f'{", ".join(ARCHITECTURES)}'
            )
    return names


def parse_platforms(value: str, spell: Spell = as_method) -> list[platforms.Platform]:
    """Return platforms, with commas between them, such as linux/amd64,linux/arm64."""
    try:
        return list(dict.fromkeys(map(platforms.parse, value.split(','))))
    except ValueError as error:
        raise _errors.ArgumentError(str(error)) from None


def parse_channels(value: str, spell: Spell = as_method) -> list[str]:
    """Return the full names of channels, with commas between them: latest/edge for edge."""
    return list(dict.fromkeys(map(_parse_channel, value.split(','))))


def _parse_channel(name: str) -> str:
    parts = name.split('/')
    if parts[0] in _RISKS:
        parts.insert(0, 'latest')
    is_valid = len(parts) in (2, 3) and parts[1] in _RISKS
    if not is_valid or not all(re.fullmatch('[A-Za-z0-9][A-Za-z0-9_.+-]*', p) for p in parts):
        raise _errors.ArgumentError(
            f'{_texts.quoted(name)} is not a channel: use [TRACK/]RISK[/BRANCH], such as '
            f'latest/edge; RISK is {", ".join(_RISKS[:-1])} or {_RISKS[-1]}'
        )
    return '/'.join(parts)


def _parse_pinned(value: str) -> references.Reference | None:
    """Return `value` as a reference, if it is one with a sha256 digest."""
    try:
        reference = references.Reference.parse(value)
    except references.InvalidReferenceError:
        return None
    return reference if reference.digest.startswith('sha256:') else None


def parse_source(value: str, spell: Spell = as_method) -> references.Reference:
    """Read the reference of an image in any registry, by its digest.

    Raises:
        ArgumentError: it is not one. The message has the digest that a tag has now.
    """
    transport, colon, rest = value.partition('://')
    if _has_credentials(value):  # not repeated in the message
        raise _errors.ArgumentError(
            'leave out the credentials, and log in with `docker login` or `podman login`'
        )
    if colon:
        raise _errors.ArgumentError(
            f'leave out {_texts.quoted(transport + colon)}: {spell("source", rest)}'
        )
    if digest := digests.full(value):
        raise _errors.ArgumentError(
            f'registry and name are missing: {spell("source", f"REGISTRY/NAME@{digest}")}'
        )
    try:
        reference = references.Reference.parse(value)
    except references.InvalidReferenceError as error:
        raise _errors.ArgumentError(
            f'{_texts.quoted(value)} is not a valid image reference: {error}'
        ) from None
    if not reference.digest:
        raise _errors.ArgumentError(_today(value, reference, spell))
    if not reference.digest.startswith('sha256:'):
        raise _errors.ArgumentError(
            'Charmhub supports only sha256 digests', 'use the one that begins with "sha256:"'
        )
    return reference


def _has_credentials(value: str) -> bool:
    """Return whether a name has an @ that is not the one before a digest."""
    return '@' in re.sub(r'@sha[0-9]+:[0-9a-fA-F]*$', '', value)


def _today(value: str, reference: references.Reference, spell: Spell) -> str:
    """Return a message that a tag is not accepted, with the digest that it has now."""
    from charm_image._oci import remote_image

    kind = 'a tag' if reference.tag else 'a name without a digest'
    why = f'{_texts.quoted(value)} is {kind}, which can move to a different image'
    try:
        with _errors.translated():
            resolved = str(remote_image.resolve(reference))
        return f'{why}: today it is {spell("source", resolved)}'
    except _errors.Error as error:
        return f'{why}; its digest cannot be looked up: {error}'


def _instead(value: str, spell: Spell) -> str:
    """Return a message that says what to give instead of `value`, which is not a digest."""
    elsewhere = spell('source', 'REGISTRY/NAME@sha256:…')
    if '://' in value:
        return (
            "this is a URL: give the digest of an image in your engine or Canonical's registry, "
            f'or use {elsewhere} for a different registry'
        )
    transport, colon, path = value.partition(':')
    if _has_credentials(value) and ':' in value.partition('@')[0]:  # not repeated
        return (
            'leave out the credentials: give the digest of an image, or the path of an archive; '
            f'to copy from a registry, use {elsewhere}'
        )
    if colon and transport in ('oci', 'oci-archive', 'docker-archive', 'dir'):
        return f'{_texts.quoted(path)} does not exist'
    if colon and transport == 'docker-daemon':
        return f'leave out {_texts.quoted(transport + colon)}: {spell("image", path)}'
    if transport == 'sha256':
        return 'a digest has 64 hexadecimal digits after "sha256:"; give at least the first 12'
    if transport in ('sha384', 'sha512'):
        return f'{transport} digests are not supported: give the one that begins with "sha256:"'
    if value.startswith(('/', './', '../', '~')) or value.endswith(_ENDINGS):
        return f'{_texts.quoted(value)} does not exist'
    if not value:
        return 'give the digest of an image'
    advice = (
        'to get the digest of an image in your engine, run '
        f'`docker image inspect --format={{{{.Id}}}} {_texts.word(value)}`'
    )
    if re.fullmatch('[0-9a-f]+', value):
        return f'{_texts.quoted(value)} is a name, or fewer than 12 digits of a digest: {advice}'
    try:
        reference = references.Reference.parse(value)
    except references.InvalidReferenceError as error:
        quoted = 'this' if '@' in value else _texts.quoted(value)  # it may contain a password
        return f'{quoted} is not a digest, an existing file or a valid reference: {error}'
    if reference.digest:
        return 'give the digest that begins with "sha256:"'
    return f'{_today(value, reference, spell)}; {advice}'
