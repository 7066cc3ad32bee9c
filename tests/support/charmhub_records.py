"""What the stand-in for Charmhub keeps: charms, uploads, and faults that are to come."""

import dataclasses
import secrets
import threading


@dataclasses.dataclass
class Build:
    """A revision of a charm: an uploaded file."""

    status: str = 'approved'
    resources: tuple = None  # the names that it declares; None: all of the charm
    architecture: str = 'amd64'

    @property
    def bases(self):
        """What it runs on."""
        return [{'architecture': self.architecture, 'channel': '24.04', 'name': 'ubuntu'}]


@dataclasses.dataclass
class Release:
    """What is in a channel."""

    revision: int
    resources: dict  # resource name: revision
    when: str = ''


@dataclasses.dataclass
class Charm:
    """A charm's name, as its publisher registered it, with its revisions and channels."""

    name: str
    resources: dict  # resource name: 'file' or 'oci-image'
    publisher: str = 'author'
    collaborators: tuple = ()
    id: str = dataclasses.field(default_factory=lambda: secrets.token_hex(16))
    tracks: tuple = ('latest',)
    builds: dict = dataclasses.field(default_factory=lambda: {1: Build()})  # by revision
    releases: dict = dataclasses.field(default_factory=dict)  # channel: Release
    private: bool = False
    count: int = 0  # of releases so far

    def declared(self, revision):
        """Return the names of the resources that a revision declares."""
        names = self.builds[revision].resources
        return list(self.resources) if names is None else list(names)


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
