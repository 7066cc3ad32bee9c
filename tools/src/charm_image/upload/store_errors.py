"""Why Charmhub did not do what it was asked for: each says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class StoreError(Exception):
    """Charmhub can't or won't do it. `code` is its own word, where it gave one."""

    def __init__(self, message: str, resolution: str = '', code: str = '') -> None:
        super().__init__(f'{message} {resolution}'.strip())
        self.message = message
        self.resolution = resolution
        self.code = code


class NotLoggedIn(StoreError):
    """The credentials are expired, revoked or wrong."""


class NotAllowed(StoreError):
    """The account, or its token, has no right to do this."""


class NotFound(StoreError):
    """There is no such charm or resource, or it is hidden from this account."""


class WrongType(StoreError):
    """The resource is of another type."""


class Rejected(StoreError):
    """The review found the content wanting. `errors` has a code and a message each."""

    def __init__(self, message: str, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__(message)
        self.errors = errors


class ReviewPending(StoreError):
    """The review takes longer than we wait."""


class Unavailable(StoreError):
    """Charmhub can't be reached, or has a fault of its own. `retry_after` is in seconds."""

    def __init__(
        self, message: str, resolution: str, code: str = '', retry_after: float | None = None
    ) -> None:
        super().__init__(message, resolution, code)
        self.retry_after = retry_after


class Busy(Unavailable):
    """Charmhub did not look at the request: there are too many."""


class InsecureURL(StoreError):
    """Credentials would cross a network readable."""


class FileChanged(StoreError):
    """The file is not what it was when its upload began."""
