"""What Juju keeps while a hook runs, and hands to its controller when that ends well.

As worker/uniter/runner/context in juju/juju 2.9: statuses, leader settings and the workload
version are the controller's at once; relation settings, ports, state and the pod spec only at
the end of a hook that did not fail.
"""

import dataclasses
import typing

from charm_unit._unit import juju_version, model, ports


class ChangesRefused(Exception):
    """The controller refuses what a hook has changed, and so the hook fails; in its words."""


RESTRICTED = ('collect-metrics', 'meter-status-changed')


@dataclasses.dataclass
class Action:
    """An action that is running."""

    name: str
    parameters: dict[str, typing.Any]
    results: dict[str, typing.Any] = dataclasses.field(default_factory=dict)
    message: str = ''
    failed: bool = False
    log: list[str] = dataclasses.field(default_factory=list)


class HookContext:
    """The context of one hook, or action."""

    def __init__(
        self,
        known: model.Model,
        hook: str,
        juju: juju_version.JujuVersion,
        relation: 'model.Relation | None' = None,
        remote_unit: str = '',
        departing_unit: str = '',
        action: 'Action | None' = None,
        storage: 'model.Storage | None' = None,
    ) -> None:
        self.model = known
        self.hook = hook
        self.juju = juju
        self.relation = relation
        self.remote_unit = remote_unit
        self.departing_unit = departing_unit
        self.action = action
        self.storage = storage
        self.log: list[tuple[str, str]] = []
        self.statuses: list[model.Status] = []
        self.pod_spec: str | None = None
        self.pod_specs_sent = 0
        self.raw_spec: str | None = None
        self.data: dict[str, dict[str, str]] = {}
        self.app_data: dict[str, dict[str, str]] = {}
        self.ports = ports.Changes(known.opened_ports)
        self.state: dict[str, str] | None = None
        self.metrics: dict[str, str] = {}
        self.not_simulated: list[str] = []

    @property
    def restricted(self) -> bool:
        """Whether Juju allows this hook few tools only."""
        return self.hook in RESTRICTED

    def unit_settings(self, relation: model.Relation) -> dict[str, str]:
        """Return the unit's data in a relation, with the changes of this hook."""
        return self.data.setdefault(relation.id, dict(relation.data))

    def application_settings(self, relation: model.Relation) -> dict[str, str]:
        """Return the application's data in a relation, with the changes of this hook."""
        return self.app_data.setdefault(relation.id, dict(relation.app_data))

    def charm_state(self) -> dict[str, str]:
        """Return the state that the controller keeps for the charm, with this hook's changes."""
        if self.state is None:
            self.state = dict(self.model.charm_state)
        return self.state

    def commit(self) -> None:
        """Hand it all to the controller, or nothing: raise ChangesRefused."""
        known = self.model
        if self.pod_spec is not None and self.raw_spec is not None:
            raise ChangesRefused(
                'either k8s-spec-set or k8s-raw-set can be run for each application, but not both'
            )
        endpoints = known.bindings - {'juju-info'}
        for verb, endpoint in self.ports.unknown_endpoints(endpoints):
            raise ChangesRefused(
                f'cannot apply changes: cannot open/close ports: {verb} port range: '
                f'endpoint "{endpoint}" for unit "{known.unit}" not found'
            )
        for rid, data in self.data.items():
            known.relations[rid].data = data
        for rid, data in self.app_data.items():
            known.relations[rid].app_data = data
        known.opened_ports = self.ports.apply(endpoints)
        if self.state is not None:
            known.charm_state = self.state
        known.pod_spec = self.pod_spec or known.pod_spec
        known.raw_spec = self.raw_spec or known.raw_spec
