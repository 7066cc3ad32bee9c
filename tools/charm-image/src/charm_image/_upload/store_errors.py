"""The errors of Charmhub; each message says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class StoreError(Exception):
    """Charmhub rejected a request. `code` is Charmhub's error code, or ''."""

    def __init__(self, message: str, resolution: str = '', code: str = '') -> None:
        super().__init__(f'{message} {resolution}'.strip())
        self.message = message
        self.resolution = resolution
        self.code = code


class NotLoggedIn(StoreError):
    """The credentials have expired, were revoked or are wrong."""


class NotAllowed(StoreError):
    """The account, or its token, lacks the permission."""


class NotFound(StoreError):
    """The charm or resource does not exist, or this account cannot see it."""


class WrongType(StoreError):
    """The resource is of a different type."""


class Rejected(StoreError):
    """The review failed. `errors` are mappings with a code and a message each."""

    def __init__(self, message: str, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__(message)
        self.errors = errors


class ReviewPending(StoreError):
    """The review is not finished within the timeout."""


class Unavailable(StoreError):
    """Charmhub cannot be reached, or has a server error. `retry_after` is in seconds."""

    def __init__(
        self, message: str, resolution: str, code: str = '', retry_after: float | None = None
    ) -> None:
        super().__init__(message, resolution, code)
        self.retry_after = retry_after


class Busy(Unavailable):
    """Charmhub did not process the request: there were too many."""


class InsecureURL(StoreError):
    """Credentials would be sent unencrypted."""


class FileChanged(StoreError):
    """The file changed during its upload."""
