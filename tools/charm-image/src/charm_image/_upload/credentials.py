"""Reads the credentials for Charmhub that charmcraft exports and stores."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from typing import TypeGuard

from charm_image import _errors

VARIABLE = 'CHARMCRAFT_AUTH'
_KEYRING_SERVICE = 'charmcraft'
_KEYRING = 'the keyring'
_LOG_IN = (
    'Log in with `charmcraft login`, or export credentials with `charmcraft login --export=FILE` '
    f'and set the environment variable {VARIABLE} to the content of FILE.'
)


@dataclasses.dataclass(frozen=True)
class Credentials:
    """Credentials for the store: a token, or a login at Ubuntu One to exchange for one."""

    origin: str
    token: str = dataclasses.field(default='', repr=False)
    root: str = dataclasses.field(default='', repr=False)
    discharge: str = dataclasses.field(default='', repr=False)
    given: str = dataclasses.field(default='', repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The parts that must not appear in any message."""
        return tuple(filter(None, (self.given, self.token, self.root, self.discharge)))

    @property
    def renewal(self) -> str:
        """Says what to do when they have expired."""
        if self.origin == _KEYRING:
            return 'Log in again: `charmcraft logout`, then `charmcraft login`.'
        export = 'Export new ones with `charmcraft login --export=FILE`'
        if self.origin == VARIABLE:
            export += f' and set {VARIABLE} to the content of FILE'
        return f'{export}.'


def find(host: str, environment: Mapping[str, str] = os.environ) -> Credentials:
    """Return the credentials for the store at `host`.

    They come from CHARMCRAFT_AUTH, or else from charmcraft's entry in the keyring.

    Raises:
        CredentialsError: there are none, or their format is unknown.
    """
    value = environment.get(VARIABLE, '').strip()
    if value:
        if os.path.isfile(value):
            raise _errors.CredentialsError(
                f'{VARIABLE} contains the name of a file: it must contain the content.',
                f'Set it with {VARIABLE}="$(cat FILE)".',
            )
        return parse(value, VARIABLE)
    return parse(_from_keyring(host), _KEYRING)


def parse(value: str, origin: str = 'the argument') -> Credentials:
    """Read credentials in any format that charmcraft 1.3 to 4.5 wrote.

    A token; `{"t": "macaroon", "v": token}`; `{"t": "u1-macaroon", "v": {"r": root, "d":
    discharge}}`; and the base64 of each.

    Raises:
        CredentialsError: `value` is none of these.
    """
    text = _decoded(value) or value
    unreadable = _errors.CredentialsError(
        f'The credentials in {origin} are not in a format that charmcraft writes.', _LOG_IN
    )
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if isinstance(content, dict) and 't' in content:
        token = content.get('v')
        if content['t'] == 'u1-macaroon' and isinstance(token, dict):
            root, discharge = token.get('r'), token.get('d')
            if is_token(root) and is_token(discharge):
                return Credentials(origin, root=root, discharge=discharge, given=value)
        if content['t'] == 'macaroon' and is_token(token):
            return Credentials(origin, token, given=value)
        raise unreadable
    if isinstance(content, list):  # a list of macaroons, whose base64 is the token
        text = value
    if not is_token(text):
        raise unreadable
    return Credentials(origin, text, given=value)


def bind(root: str, discharge: str) -> str:
    """Return the macaroon `discharge` bound to `root`, for the header of a request.

    Both are binary macaroons of version 1 or 2, which end in the signature. The new signature is
    HMAC(0, HMAC(0, root's) + HMAC(0, own)).
    """
    key = bytes(32)

    def keyed(data: bytes) -> bytes:
        return hmac.digest(key, data, hashlib.sha256)

    raw, end = _signature(discharge)
    root_raw, root_end = _signature(root)
    bound = keyed(keyed(root_raw[root_end - 32 : root_end]) + keyed(raw[end - 32 : end]))
    macaroon = raw[: end - 32] + bound + raw[end:]
    return base64.urlsafe_b64encode(macaroon).rstrip(b'=').decode()


def is_token(value: object) -> TypeGuard[str]:
    """Return whether `value` is a string that can be sent in a header."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and value != ''


def _signature(macaroon: str) -> tuple[bytes, int]:
    text = macaroon.rstrip('=')
    try:
        raw = base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))
    except binascii.Error:
        raw = b''
    end = len(raw) if raw.startswith(b'\2') else len(raw) - 1  # version 1 ends in a line feed
    if end < 32:
        # not chained: the traceback would contain the macaroon
        raise _errors.CredentialsError(
            'The credentials do not contain a valid macaroon.', _LOG_IN
        ) from None
    return raw, end


def _decoded(value: str) -> str | None:
    """Decode `value` from base64; None if it is not base64 of text."""
    packed = ''.join(value.split())
    try:
        raw = base64.b64decode(packed + '=' * (-len(packed) % 4), validate=True)
        text = raw.decode('ascii').strip()
    except (ValueError, binascii.Error):
        return None
    return text if is_token(text) or text.startswith(('{', '[')) else None


def _from_keyring(host: str) -> str:
    try:
        import keyring  # imported only here: it takes 0.1 s to look for backends

        value = keyring.get_password(_KEYRING_SERVICE, host)
    except Exception as error:  # noqa: BLE001  # backends raise any error of their systems
        raise _errors.CredentialsError(
            f'Not logged in to {host}: {VARIABLE} is not set and the keyring '
            f'cannot be read ({type(error).__name__}).',
            _LOG_IN,
        ) from None
    if not value:
        raise _errors.CredentialsError(
            f'Not logged in to {host}: {VARIABLE} is not set and charmcraft has '
            'no credentials in the keyring.',
            _LOG_IN,
        )
    return value
