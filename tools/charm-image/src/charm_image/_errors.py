"""The errors that charm_image raises.

    Exception
    └── Error
        ├── BuildError
        │   ├── ResourceError                 an argument of a resource; also a ValueError
        │   └── StepError                     a resource cannot be applied
        ├── ImageError
        │   ├── ImageNotFoundError
        │   ├── AmbiguousImageError
        │   ├── InvalidImageError
        │   ├── LoginError                    for the registry of an image
        │   └── EngineError
        │       └── ContextNotFoundError
        ├── RegistryError
        └── UploadError
            ├── ArgumentError                 not a name, a digest …; also a ValueError
            ├── CharmError
            ├── CredentialsError              for Charmhub
            └── StoreError                    Charmhub
                ├── NotLoggedInError
                ├── NotAllowedError
                ├── NotFoundError
                ├── WrongTypeError
                ├── RejectedError             by the review
                ├── ReviewPendingError
                ├── UnavailableError
                │   └── BusyError
                ├── InsecureURLError
                └── FileChangedError

None of them contains a credential, in its text or in its fields.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict, TypeVar

from container_image import messages, registry_errors

_MAX_LINE = 4000  # characters
_StoreErrorT = TypeVar('_StoreErrorT', bound='StoreError')

if TYPE_CHECKING:
    from typing_extensions import Unpack

# the kinds of errors of a registry, where they are not called as their classes are
_REGISTRY_CODES = {
    registry_errors.AccessDeniedError: 'no-right',
    registry_errors.ProtocolError: 'misbehaving',
    registry_errors.RejectedError: 'refused',
}


class Fields(TypedDict, total=False):
    """What an error can be asked for, and the `details` in its message; see `Error`."""

    details: Iterable[str]
    status: int | None
    codes: Iterable[str]
    registry: str
    reference: str
    resource: str
    line: str


class Error(Exception):
    """The root of all errors of this package; its `str()` is the message and the resolution.

    Its text is printable: one line, and one for each of the `details`, such as the output of a
    command, which `message` includes.

    Attributes:
        message: what is wrong
        resolution: what to do about it, '' if nobody can say, or the message does
        code: the kind of error in a word, as in the JSON output of the commands
        status: the HTTP status of a response, or the exit status of a command; None without one
        codes: the codes of the errors in a response of Charmhub or a registry
        registry: the host of the registry that is concerned, or ''
        reference: the image that is concerned, such as `docker.io/library/nginx:1.27`, or ''
        resource: the resource that is concerned, such as `Execute[make]` or `my-image`, or ''
        line: where the resource was made, such as `fabfile.py:12`, or ''
    """

    code: str = 'error'

    def __init__(self, message: str, resolution: str = '', **fields: Unpack[Fields]) -> None:
        lines = (message, *fields.get('details', ()))
        self.message: str = '\n'.join(messages.printable(line, _MAX_LINE) for line in lines)
        self.resolution: str = messages.printable(resolution, _MAX_LINE)
        super().__init__(self.message, self.resolution)
        self.status: int | None = fields.get('status')
        codes = filter(None, fields.get('codes', ()))
        self.codes: tuple[str, ...] = tuple(map(messages.printable, codes))
        self.registry: str = fields.get('registry', '')
        self.reference: str = fields.get('reference', '')
        self.resource: str = fields.get('resource', '')
        self.line: str = fields.get('line', '')

    def __str__(self) -> str:
        if not self.resolution:
            return self.message
        colon = '' if self.message.endswith('.') else ':'
        return f'{self.message}{colon} {self.resolution}'


class BuildError(Error):
    """An image cannot be built."""

    code: str = 'build-error'


class ResourceError(BuildError, ValueError):
    """An argument of a resource or of the builder is not valid."""

    code: str = 'resource-error'

    def __init__(self, reason: str, resolution: str = '', *, line: str = '') -> None:
        super().__init__(f'{line}: {reason}' if line else reason, resolution, line=line)


class StepError(BuildError):
    """A resource could not be applied.

    `resource` may name several that one command applied. `command` is the command that failed,
    and `status` its exit status, None if it did not start; `output` has the last lines that it
    wrote.
    """

    code: str = 'step-error'

    def __init__(
        self,
        resource: str,
        line: str,
        command: str,
        status: int | None,
        output: Sequence[str],
        reason: str = '',
    ) -> None:
        self.command = command
        self.output: tuple[str, ...] = tuple(output)
        ended = f'ended with exit status {status}' if status is not None else f'failed: {reason}'
        super().__init__(
            f'{messages.printable(resource)} ({line}): '
            f'{messages.printable(repr(command))} {ended}',
            details=[f'    {written}' for written in self.output],
            status=status,
            resource=resource,
            line=line,
        )


class ImageError(Error):
    """An image cannot be read or used."""

    code: str = 'image-error'


class ImageNotFoundError(ImageError):
    """The image does not exist."""

    code: str = 'not-found-error'


class AmbiguousImageError(ImageError):
    """A short digest matches several images; `candidates` are their full digests."""

    code: str = 'ambiguous-error'

    def __init__(self, message: str, resolution: str, candidates: Iterable[str]) -> None:
        super().__init__(message, resolution)
        self.candidates: tuple[str, ...] = tuple(candidates)


class InvalidImageError(ImageError):
    """It is not an image, is damaged, or cannot be used by a charm."""

    code: str = 'invalid-image-error'


class LoginError(ImageError):
    """A login of `docker login` or `podman login` exists but cannot be used."""

    code: str = 'login-error'


class EngineError(ImageError):
    """The engine cannot be reached, or reported an error."""

    code: str = 'engine-error'


class ContextNotFoundError(EngineError):
    """No docker context has that name."""

    code: str = 'context-not-found'


class RegistryError(Error):
    """A registry rejected a request, or could not be asked.

    `retry_after` is the number of seconds after which it asks to be retried, or None.
    """

    code: str = 'registry-error'

    retry_after: float | None = None

    @classmethod
    def of(cls, error: registry_errors.RegistryError) -> RegistryError:
        """Return the error of this package for one of container_image."""
        kind = type(error)
        name = kind.__name__.removesuffix('Error')
        made = cls(
            error.message,
            error.resolution,
            status=error.status,
            codes=error.codes,
            registry=error.registry,
            reference=error.reference,
        )
        made.code = _REGISTRY_CODES.get(kind) or re.sub(r'\B[A-Z]', r'-\g<0>', name).lower()
        made.retry_after = getattr(error, 'retry_after', None)
        return made


class UploadError(Error):
    """An upload cannot continue.

    `upload_id` is what `resume` takes if everything was sent, else ''.
    """

    code: str = 'upload-error'
    upload_id: str = ''


class ArgumentError(UploadError, ValueError):
    """An argument of an upload is not valid."""

    code: str = 'argument-error'


class CharmError(UploadError):
    """The charm does not exist or is not valid."""

    code: str = 'charm-error'


class CredentialsError(UploadError):
    """There are no usable credentials for Charmhub. The message says how to get some."""

    code: str = 'credentials-error'


class StoreError(UploadError):
    """Charmhub rejected a request; `code` is Charmhub's own, if it gave one."""

    code: str = 'store-error'

    def __init__(self, message: str, resolution: str = '', **fields: Unpack[Fields]) -> None:
        super().__init__(message, resolution, **fields)
        self.code = self.codes[0] if self.codes else self.code


class NotLoggedInError(StoreError):
    """The credentials have expired, were revoked or are wrong."""

    code: str = 'not-logged-in'


class NotAllowedError(StoreError):
    """The account, or its token, lacks the permission."""

    code: str = 'not-allowed'


class NotFoundError(StoreError):
    """The charm or resource does not exist, or this account cannot see it."""

    code: str = 'not-found'


class WrongTypeError(StoreError):
    """The resource is of a different type."""

    code: str = 'wrong-type'


class RejectedError(StoreError):
    """The review failed. `errors` are mappings with a code and a message each."""

    code: str = 'rejected'

    def __init__(self, message: str, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__(message, codes=[error['code'] for error in errors])
        self.errors: tuple[Mapping[str, str], ...] = tuple(errors)


class ReviewPendingError(StoreError):
    """The review is not finished within the timeout."""

    code: str = 'review-pending'


class UnavailableError(StoreError):
    """Charmhub cannot be reached, or has a server error.

    `retry_after` is the number of seconds after which it asks to be retried, or None.
    """

    code: str = 'unavailable'

    def __init__(
        self,
        message: str,
        resolution: str = '',
        *,
        retry_after: float | None = None,
        **fields: Unpack[Fields],
    ) -> None:
        super().__init__(message, resolution, **fields)
        self.retry_after = retry_after


class BusyError(UnavailableError):
    """Charmhub did not process the request: there were too many."""

    code: str = 'busy'


class InsecureURLError(StoreError):
    """Credentials would be sent unencrypted."""

    code: str = 'insecure-url'


class FileChangedError(StoreError):
    """The file changed during its upload."""

    code: str = 'file-changed'


def reworded(error: _StoreErrorT, message: str, resolution: str) -> _StoreErrorT:
    """Return the same error of Charmhub in other words."""
    return type(error)(message, resolution, status=error.status, codes=error.codes)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise the errors of container_image as errors of this package."""
    try:
        yield
    except registry_errors.RegistryError as error:
        raise RegistryError.of(error) from None
