"""What can go wrong with a registry: `registry` has the same names, for its callers.

The text of each error is one line for an operator: what is wrong, where, and what to do. Neither
it nor anything that the error refers to holds credentials, tokens or signed addresses.
"""

import typing


class RegistryError(Exception):
    """Anything that a registry did not do."""


class Refused(RegistryError):
    """The registry said no, and will go on saying so until somebody changes something."""


class BadCredentials(Refused):
    """The username or the password is wrong."""


class NoRight(Refused):
    """These credentials, or nobody's, give no access to the repository, or it does not exist."""


class NotFound(Refused):
    """There is no such repository, tag, manifest or blob."""


class BlobUnknown(Refused):
    """A manifest names a blob that the repository lacks."""


class Unavailable(RegistryError):
    """The registry gave no answer that counts; another time it may.

    `retry_after` is the time in seconds after which it wants to be asked again, or None.
    """

    def __init__(self, message: str, retry_after: typing.Optional[float] = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotResolved(Unavailable):
    """A host name is not known to DNS."""


class NotReachable(Unavailable):
    """There is no connection, or it broke, or no answer came in time."""


class CertificateNotTrusted(Unavailable):
    """The certificate is not signed by a trusted CA, is for another host, or is out of date."""


class Overloaded(Unavailable):
    """The answer is 408, 429 or 5xx."""


class Misbehaving(Unavailable):
    """The answer is not one that a registry may give: another digest, a web page, no end."""
