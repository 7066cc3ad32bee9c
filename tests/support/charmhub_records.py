"""What the stand-in for Charmhub keeps: charms, uploads, and faults that are to come."""

import dataclasses
import secrets
import threading


@dataclasses.dataclass
class Charm:
    """A charm's name, as its publisher registered it."""

    name: str
    resources: dict  # resource name: 'file' or 'oci-image'
    publisher: str = 'author'
    collaborators: tuple = ()
    id: str = dataclasses.field(default_factory=lambda: secrets.token_hex(16))


@dataclasses.dataclass
class Upload:
    """Bytes in the storage, and what became of them."""

    id: str
    filename: str
    size: int
    sha256: str
    content: bytes
    charm: str = ''
    resource: str = ''
    type: str = ''
    bases: list = None
    looks: int = 0  # how often its review was asked for
    revision: int = None


@dataclasses.dataclass
class Fault:
    """What goes wrong with the next `times` requests that fit."""

    method: str
    path: str
    status: int = None  # None: the connection is cut
    headers: dict = dataclasses.field(default_factory=dict)
    body: bytes = b''
    after: bool = False  # the request is carried out, only its answer is lost
    at: int = None  # cut once so many bytes of the request's body were read
    hold: threading.Event = None  # waited for before the answer
    times: int = 1
