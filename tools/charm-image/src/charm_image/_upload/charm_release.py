"""Releases a charm to channels, with revisions of its resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from charm_image import _errors, _texts
from charm_image._upload import checks, values
from charm_image._upload import store as stores

Release = stores.Release


def check(
    store: stores.Store,
    charm: str,
    channels: Sequence[str],
    revision: int | None,
    resources: Mapping[str, int | None],
    note: Callable[[str], None],
) -> list[Release]:
    """Return what would be released; without a `revision`, the newest one.

    Raises:
        NotAllowedError: the credentials do not allow it.
        NotFoundError: the charm has no such revision or track, or its revision no such resource.
        StoreError: the revision was rejected.
    """
    account = checks.permitted(store, charm, 'package-manage-releases', 'releases of')
    if account.channels is not None:
        permitted = [name for each in account.channels for name in _full_names(each)]
        if refused := [name for name in channels if name not in permitted]:
            raise _errors.NotAllowedError(
                f'The credentials are restricted to {", ".join(permitted)}: they do not allow '
                f'releases to {", ".join(refused)}.',
                checks.export(charm),
            )
    try:
        names = store.channels(charm).names
        revision = _check_revision(store, charm, revision)
        declared = store.declared(charm)
    except _errors.NotAllowedError:
        if revision is None:
            raise
        note(
            'The credentials lack the permission package-view: channels, revision and resources '
            'are not checked before the release.'
        )
    else:
        _check_tracks(charm, channels, names)
        _check_resources(charm, revision, resources, declared)
    return [Release(channel, revision, dict(resources)) for channel in channels]


def _full_names(channel: str) -> Sequence[str]:
    try:
        return values.parse_channels(channel)
    except _errors.ArgumentError:
        return [channel]


def _check_revision(store: stores.Store, charm: str, revision: int | None) -> int:
    """Return the revision, or the newest one. Raises StoreError if it cannot be released."""
    name, listing = _texts.quoted(charm), f'`charmcraft revisions {_texts.word(charm)}` lists'
    revisions = store.charm_revisions(charm)
    if not revisions:
        raise _errors.NotFoundError(
            f'The charm {name} has no revision.',
            'Upload one with `charmcraft upload`.',
        )
    newest = max(revisions)
    number = newest if revision is None else revision
    if number not in revisions:
        raise _errors.NotFoundError(
            f'The charm {name} has no revision {number}. The newest one is {newest}.',
            f'{listing} them.',
        )
    if revisions[number] == 'rejected':
        raise _errors.StoreError(
            f'Revision {number} of {name} was rejected by the review.',
            f'{listing} the others.',
        )
    return number


def _check_tracks(charm: str, channels: Sequence[str], names: Sequence[str]) -> None:
    tracks = list(dict.fromkeys(name.partition('/')[0] for name in names))
    for channel in channels:
        track = channel.partition('/')[0]
        if tracks and track not in tracks:
            raise _errors.NotFoundError(
                f'The charm {_texts.quoted(charm)} has no track {_texts.quoted(track)}. '
                f'It has: {", ".join(tracks)}.',
                'To add it, run `charmcraft create-track '
                f'{_texts.word(charm)} {_texts.word(track)}`.',
            )


def _check_resources(
    charm: str,
    revision: int,
    resources: Mapping[str, int | None],
    declared: Mapping[int, Mapping[str, str]],
) -> None:
    names = declared.get(revision, {})
    for name in resources:
        if name not in names:
            raise _errors.NotFoundError(
                f'Revision {revision} of the charm {_texts.quoted(charm)} does not declare the '
                f'resource {_texts.quoted(name)}. It declares: {_texts.listed(sorted(names))}.',
                'Upload the charm first with `charmcraft upload`, or choose a different revision.',
            )


def release(
    store: stores.Store,
    charm: str,
    channels: Sequence[str],
    revision: int,
    resources: Mapping[str, int],
) -> list[Release]:
    """Release a revision of a charm; return what is in the channels now.

    Raises:
        StoreError: Charmhub did not release it.
    """
    try:
        return store.release(charm, revision, channels, resources)
    except (_errors.NotAllowedError, _errors.NotLoggedInError, _errors.UnavailableError):
        raise
    except _errors.StoreError as error:
        raise _errors.reworded(
            error,
            error.message,
            f'Each resource that revision {revision} declares needs a revision, and no others: '
            f'`charmcraft resources {_texts.word(charm)}` lists them.',
        ) from None
