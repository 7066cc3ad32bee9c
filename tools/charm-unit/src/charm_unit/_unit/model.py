"""What Juju's controller knows of the unit and its application."""

import dataclasses
import pathlib
import typing

Status = tuple[str, str]
"""A status and its message."""


@dataclasses.dataclass
class Relation:
    """A relation of the unit's application, from the unit's side."""

    endpoint: str
    number: int
    remote_application: str
    units: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    """What each remote unit says."""
    members: set[str] = dataclasses.field(default_factory=set)
    """Those that have joined: as in Juju, a hook before that one sees none of them."""
    application: dict[str, str] = dataclasses.field(default_factory=dict)
    """What the remote application says."""
    said: dict[str, str] = dataclasses.field(default_factory=dict)
    """What our unit says."""
    application_said: dict[str, str] = dataclasses.field(default_factory=dict)
    """What our application says."""

    @property
    def id(self) -> str:
        """The relation's id, as hooks see it."""
        return f'{self.endpoint}:{self.number}'


@dataclasses.dataclass
class Attached:
    """A resource, as `resource-get` delivers it."""

    file: 'pathlib.Path | None'
    """Where it is put, absolute; None if the charm does not declare it."""
    content: 'bytes | None' = None
    script: 'str | None' = None
    """A shell script that runs instead, with the resource's name as $1."""


@dataclasses.dataclass
class Model:
    """All of it."""

    application: str
    unit: str
    leader: bool
    charmhub: bool
    """Whether the store is Charmhub, and not the charm store that was before."""
    endpoints: typing.Collection[str] = ()
    options: dict[str, typing.Any] = dataclasses.field(default_factory=dict)
    resources: dict[str, Attached] = dataclasses.field(default_factory=dict)
    relations: dict[str, Relation] = dataclasses.field(default_factory=dict)
    leader_settings: dict[str, str] = dataclasses.field(default_factory=dict)
    charm_state: dict[str, str] = dataclasses.field(default_factory=dict)
    ports: set[str] = dataclasses.field(default_factory=set)
    pod_spec: 'str | None' = None
    """The text that the charm sent last."""
    raw_spec: 'str | None' = None
    status: Status = ('waiting', 'installing agent')
    application_status: 'Status | None' = None
    workload_version: 'str | None' = None
    address: str = '10.1.0.7'
    ingress_address: str = '10.152.183.7'
