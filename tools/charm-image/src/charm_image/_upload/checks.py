"""Checks that a resource can be uploaded, before any byte is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from charm_image import _errors, _texts
from charm_image._upload import store as stores
from charm_image._upload import values

_WAYS = {'file': ('file', 'PATH'), 'oci-image': ('image', 'DIGEST')}


def permitted(store: stores.Store, charm: str, permission: str, action: str) -> stores.Account:
    """Return the account, whose credentials have the permission for `charm`.

    Raises:
        NotAllowedError: they do not; `action` is what they do not allow, such as `uploads to`.
    """
    account = store.whoami()
    if not account.permits(permission) or (
        account.packages is not None and charm not in account.packages
    ):
        raise _errors.NotAllowedError(
            f'The credentials are restricted: they do not allow {action} {_texts.quoted(charm)}.',
            export(charm),
        )
    return account


def export(charm: str) -> str:
    """Return how to get credentials that are not too restricted, in the imperative."""
    return (
        f'Export new ones with `charmcraft login --export=FILE --charm={_texts.word(charm)} '
        '--permission=package-manage --permission=package-view`.'
    )


def types(store: stores.Store, charm: str, note: Callable[[str], None]) -> dict[str, str] | None:
    """Return the type of each resource of `charm`; None if the credentials do not allow it.

    Raises:
        NotAllowedError: the credentials do not allow uploads to the charm.
        NotFoundError: the charm does not exist.
    """
    account = permitted(store, charm, 'package-manage-revisions', 'uploads to')
    name, username = _texts.quoted(charm), _texts.quoted(account.username)
    try:
        return store.resources(charm)
    except _errors.NotAllowedError as error:
        if not account.permits('package-view'):
            note(
                'The credentials lack the permission package-view: the name and type of the '
                'resource are not checked before the upload.'
            )
            return None
        raise _errors.reworded(
            error,
            f'{username} is not allowed to upload to the charm {name}. {error.message}',
            'Ask its publisher to make you a collaborator at https://charmhub.io.',
        ) from None
    except _errors.NotFoundError as error:
        raise _errors.reworded(
            error,
            f'{username} has no charm {name}. {error.message}',
            'Check the name: `charmcraft names --include-collaborations` lists your charms.',
        ) from None


def check(
    known: Mapping[str, str] | None, charm: str, resource: str, type_: str, spell: values.Spell
) -> None:
    """Check that the resource is in `known`, which `types` returned, with this type.

    Raises:
        NotFoundError: the charm does not have the resource.
        WrongTypeError: the resource is of a different type.
    """
    if known is None:
        return
    name = _texts.quoted(resource)
    if resource not in known:
        raise _errors.NotFoundError(
            f'The charm {_texts.quoted(charm)} has no resource {name}. '
            f'It has: {_texts.listed(sorted(known))}.',
            'To add a resource, declare it in metadata.yaml and run `charmcraft upload`.',
        )
    if known[resource] != type_:
        raise _errors.WrongTypeError(
            f'The resource {name} is of type {_texts.quoted(known[resource])}, not {type_!r}.',
            f'Use {spell(*_WAYS[known[resource]])}.' if known[resource] in _WAYS else '',
        )
