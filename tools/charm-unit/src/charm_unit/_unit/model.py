"""What Juju's controller knows about the unit and its application."""

import dataclasses
import pathlib
import typing

from charm_unit._unit import ports

MODEL_UUID = '5a7e0000-0000-4000-8000-000000000001'

Status = tuple[str, str]
"""A status and its message."""


@dataclasses.dataclass
class Relation:
    """A relation of the unit's application, from the unit's side."""

    endpoint: str
    """The charm's endpoint, such as db."""
    number: int
    """The number in its id."""
    remote_application: str
    """The application that it is related to, such as mysql; the unit's own for its peers."""
    is_peer: bool = False
    """Whether it is the one of the unit's peers, which exists as long as the application."""
    units: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    """The data of each remote unit that is in it, by its name."""
    departed: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    """The data of units that have left; as in Juju, hooks can read it while the relation lasts."""
    members: set[str] = dataclasses.field(default_factory=set)
    """The remote units that have joined; as in Juju, a hook before that does not see them."""
    remote_app_data: dict[str, str] = dataclasses.field(default_factory=dict)
    """The data of the remote application."""
    data: dict[str, str] = dataclasses.field(default_factory=dict)
    """The data of this unit."""
    app_data: dict[str, str] = dataclasses.field(default_factory=dict)
    """The data of this unit's application."""

    @property
    def id(self) -> str:
        """The relation's id as hooks see it, such as db:0."""
        return f'{self.endpoint}:{self.number}'

    def enter(self, unit: str, settings: dict[str, str]) -> None:
        """Add a remote unit, or replace its data."""
        self.departed.pop(unit, None)
        self.units[unit] = settings

    def leave(self, unit: str) -> None:
        """Remove a remote unit; hooks can still read its data."""
        self.members.discard(unit)
        if unit in self.units:
            self.departed[unit] = self.units.pop(unit)


@dataclasses.dataclass
class Attached:
    """A resource as `resource-get` delivers it."""

    file: 'pathlib.Path | None'
    """The absolute path of its file; None if the charm does not declare it."""
    content: 'bytes | None' = None
    script: 'str | None' = None
    """A shell script that runs instead, with the resource's name as $1."""
    delay: float = 0
    """The seconds after which that script delivers the content; 0 if it does not."""


@dataclasses.dataclass
class Storage:
    """A storage instance of the unit."""

    id: str
    """Its name in metadata.yaml, and a number: data/0."""
    kind: str
    """block or filesystem."""
    location: pathlib.Path
    """The folder, or the device."""


@dataclasses.dataclass
class Model:
    """Everything that the controller knows."""

    application: str
    unit: str
    """Its name, such as my-charm/0."""
    leader: bool
    charmhub: bool
    """Whether the store is Charmhub, not the charm store that it replaced."""
    bindings: typing.AbstractSet[str] = frozenset()
    """What it can be bound to: its endpoints, and extra bindings."""
    options: dict[str, typing.Any] = dataclasses.field(default_factory=dict)
    resources: dict[str, Attached] = dataclasses.field(default_factory=dict)
    relations: dict[str, Relation] = dataclasses.field(default_factory=dict)
    leader_settings: dict[str, str] = dataclasses.field(default_factory=dict)
    charm_state: dict[str, str] = dataclasses.field(default_factory=dict)
    storage: dict[str, Storage] = dataclasses.field(default_factory=dict)
    """What is attached, by id."""
    opened_ports: ports.Opened = dataclasses.field(default_factory=set)
    pod_spec: 'str | None' = None
    """The last pod spec that the charm sent, as text."""
    raw_spec: 'str | None' = None
    status: Status = ('waiting', 'installing agent')
    application_status: 'Status | None' = None
    peer_statuses: dict[str, Status] = dataclasses.field(default_factory=dict)
    """The statuses of the other units of its application, by name."""
    workload_version: 'str | None' = None
    address: str = '10.1.0.7'
    ingress_address: str = '10.152.183.7'
