"""The errors of a registry; callers find the same names in `registry`.

The text of each error is one line for an operator: what is wrong, where, and what to do. Neither
it nor anything that the error refers to contains credentials, tokens or signed URLs.
"""

import typing

IS_REGISTRY = 'check that it is a registry'
CHECK = f'{IS_REGISTRY}, and check for a proxy that changes responses'


class RegistryError(Exception):
    """A registry did not do what it was asked.

    `message` says what is wrong, and `resolution` what to do, '' where nobody can say. `status` is
    the HTTP status of its response, None without one; `codes` are the error codes in it;
    `registry` is its host, and `reference` the image, '' where they are not known.
    """

    status: typing.Optional[int] = None
    codes: typing.Tuple[str, ...] = ()
    registry = ''
    reference = ''

    def __init__(self, message: str, resolution: str = '') -> None:
        super().__init__(f'{message}: {resolution}' if resolution else message)
        self.message = message
        self.resolution = resolution


class RejectedError(RegistryError):
    """The registry rejected the request, and will until image, credentials or rights change."""


class BadCredentialsError(RejectedError):
    """The username or the password is wrong."""


class AccessDeniedError(RejectedError):
    """The repository does not exist, or the account, or an anonymous client, has no access."""


class NotFoundError(RejectedError):
    """The repository, tag, manifest or blob does not exist."""


class BlobUnknownError(RejectedError):
    """A manifest references a blob that is not in the repository."""


class UnavailableError(RegistryError):
    """The registry could not be asked, or its response was unusable; a retry may succeed.

    `retry_after` is the number of seconds after which the registry asks to be retried, or None.
    """

    def __init__(
        self, message: str, resolution: str = '', retry_after: typing.Optional[float] = None
    ) -> None:
        super().__init__(message, resolution)
        self.retry_after = retry_after


class NotResolvedError(UnavailableError):
    """A host name cannot be resolved."""


class NotReachableError(UnavailableError):
    """The connection failed or broke, or the response did not arrive in time."""


class CertificateNotTrustedError(UnavailableError):
    """A certificate is not signed by a trusted CA, is for a different host, or has expired.

    It is the server's, or the one of the client, which may also be missing.
    """


class OverloadedError(UnavailableError):
    """The response is 408, 429 or 5xx."""


class ProtocolError(UnavailableError):
    """The response is not valid for a registry: a different digest, a web page, too large."""
