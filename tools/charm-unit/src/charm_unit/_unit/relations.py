"""The relations of a unit's application: remote units join, change their data, depart.

Their hooks run in the order of worker/uniter/relation/resolver.go in juju/juju 2.9: departures,
data of the remote application, units that join, data of units.
"""

import typing

from charm_unit._unit import agent, charm, errors, model


class Relations:
    """The relations of one unit, each change of which queues hooks of its agent."""

    def __init__(self, of: agent.Agent) -> None:
        self.agent = of
        self._known = of.model.relations
        self.add_peers()

    def of(self, endpoint: str) -> model.Relation:
        """Return the relation of an endpoint; raise UsageError if it has none."""
        for relation in self._known.values():
            if relation.endpoint == endpoint:
                return relation
        raise errors.UsageError(f'the endpoint {endpoint} has no relation')

    def _with(self, endpoint: str, application: str) -> 'model.Relation | None':
        for relation in self._known.values():
            if (relation.endpoint, relation.remote_application) == (endpoint, application):
                return relation
        return None

    def _add(self, endpoint: str, application: str) -> model.Relation:
        known = self.agent.model
        number = max((relation.number for relation in self._known.values()), default=-1) + 1
        is_peer = self._declared()[endpoint] == 'peers'
        relation = model.Relation(endpoint, number, application, is_peer)
        relation.data = _addresses(known)
        self._known[relation.id] = relation
        return relation

    def _declared(self) -> dict[str, str]:
        return charm.BuiltCharm(self.agent.folders.charm).endpoints

    # Peers

    @property
    def _of_peers(self) -> list[model.Relation]:
        return [relation for relation in self._known.values() if relation.is_peer]

    def add_peers(self) -> list[model.Relation]:
        """Add the relations of peers that a charm declares, and drop others; return new ones."""
        declared = [name for name, role in self._declared().items() if role == 'peers']
        for relation in self._of_peers:
            if relation.endpoint not in declared:
                del self._known[relation.id]
        known = [relation.endpoint for relation in self._of_peers]
        application = self.agent.model.application
        return [self._add(name, application) for name in declared if name not in known]

    def rename(self, number: int) -> None:
        """Give the unit this number, and its own address."""
        known = self.agent.model
        known.unit = f'{known.application}/{number}'
        known.address = f'10.1.0.{7 + number}'
        for relation in self._of_peers:
            relation.data = _addresses(known)

    def introduce(self, peer: 'Relations') -> None:
        """Add a peer that exists before any hook runs."""
        for relation in self._of_peers:
            relation.enter(peer.agent.model.unit, dict(peer._known[relation.id].data))

    def receive_from_peer(self, peer: 'Relations') -> None:
        """Copy a peer's data, and if it leads, the application's; queue the hooks that follow."""
        name, leads = peer.agent.model.unit, peer.agent.model.leader
        for relation in self._of_peers:
            theirs = peer._known.get(relation.id)
            if theirs is None or peer.agent.is_dying:
                continue
            if leads and relation.app_data != theirs.app_data:
                relation.app_data = dict(theirs.app_data)
                self._queue_received(relation)
            if relation.units.get(name) != theirs.data:
                relation.enter(name, dict(theirs.data))
                if name in relation.members:
                    self._queue_received(relation, name)

    def _queue_received(self, relation: model.Relation, unit: str = '') -> None:
        if self.agent.is_deployed and not self.agent.is_dying:
            self._queue(relation, 'changed', unit)

    def check_kept(self, refreshed: charm.BuiltCharm) -> None:
        """Raise UsageError if a charm lacks an endpoint that has a relation, as Juju does."""
        for relation in self._known.values():
            if not relation.is_peer and relation.endpoint not in refreshed.endpoints:
                ends = f'{self.agent.model.application}:{relation.endpoint}'
                raise errors.UsageError(
                    f'would break relation "{ends} '
                    f'{relation.remote_application}:{relation.endpoint}"'
                )

    def receive(
        self,
        endpoint: str,
        unit: str,
        data: typing.Mapping[str, typing.Any],
        app_data: typing.Mapping[str, typing.Any],
        hooks: bool,
    ) -> None:
        """Set the data of a remote unit and its application; queue what follows, if `hooks`."""
        declared = self._declared()
        if endpoint not in declared:
            raise errors.UsageError(errors.unknown('endpoint', endpoint, declared))
        application = unit.partition('/')[0]
        own = self.agent.model
        if app_data and not self.agent.juju.has_application_data:
            raise errors.UsageError(
                f'Juju {self.agent.juju.text} has no data of applications: it exists since 2.7'
            )
        if unit == own.unit or (declared[endpoint] == 'peers') != (application == own.application):
            raise errors.UsageError(
                f'{unit} cannot be related to {endpoint} of {own.unit}: it is of the role '
                f'{declared[endpoint]}'
            )
        relation = self._with(endpoint, application)
        new = relation is None
        relation = relation or self._add(endpoint, application)
        settings, before = _texts(data), relation.units.get(unit)
        app_settings = {**relation.remote_app_data, **_texts(app_data)}
        app_changed = app_settings != relation.remote_app_data
        relation.enter(unit, settings)
        relation.remote_app_data = app_settings
        if relation.is_peer:
            relation.app_data = dict(app_settings)
        if not hooks:
            return
        if new:
            self.queue_created(relation)
        if app_changed:
            self._queue(relation, 'changed')
        if before is None:
            self.queue_joined(relation, unit)
        elif before != settings:
            self._queue(relation, 'changed', unit)

    def queue_all(self) -> None:
        """Queue the hooks of a deployed unit for the relations that exist already."""
        for relation in self._known.values():
            if relation.remote_app_data:
                self._queue(relation, 'changed')
            for unit in sorted(relation.units):
                self.queue_joined(relation, unit)

    def queue_created(self, relation: 'model.Relation | None' = None) -> None:
        """Queue the first hook of a relation, or of all that there are."""
        if self.agent.juju.has_relation_created:
            for known in [relation] if relation else self._known.values():
                self.agent.queue(f'{known.endpoint}-relation-created', relation=known)

    def queue_joined(self, relation: model.Relation, unit: str) -> None:
        """Queue the hooks of a unit that joins."""
        self._queue(relation, 'joined', unit)
        self._queue(relation, 'changed', unit)

    def queue_removal(self) -> None:
        """Queue the hooks of a unit that leaves all its relations."""
        own = self.agent.model.unit
        for relation in self._known.values():
            for unit in sorted(relation.members):
                self._queue(relation, 'departed', unit, own)
            if not relation.is_peer:
                self.agent.queue(f'{relation.endpoint}-relation-broken', relation=relation)

    def leave(self, peer: str, hooks: bool) -> None:
        """Remove a peer from its relations; queue the hooks that follow, if `hooks`."""
        for relation in self._of_peers:
            if peer in relation.units:
                self.depart(relation.endpoint, peer, hooks)

    def _queue(
        self, relation: model.Relation, happened: str, unit: str = '', leaver: str = ''
    ) -> None:
        """Queue a hook; one without a unit is about the remote application."""
        hook = f'{relation.endpoint}-relation-{happened}'
        departing = (leaver or unit) if happened == 'departed' else ''
        self.agent.queue(hook, relation=relation, remote_unit=unit, departing_unit=departing)

    def depart(self, endpoint: str, unit: str, hooks: bool) -> None:
        """Remove a remote unit; queue its hook, if `hooks`; raise UsageError for another unit."""
        relation = self._with(endpoint, unit.partition('/')[0])
        if relation is None or unit not in relation.units:
            raise errors.UsageError(f'{unit} is not related to {endpoint}')
        if hooks:
            self._queue(relation, 'departed', unit)
        else:
            relation.leave(unit)

    def remove(self, endpoint: str, hooks: bool) -> None:
        """Remove a relation; queue its hooks, if `hooks`; raise UsageError for that of peers."""
        relation = self.of(endpoint)
        if relation.is_peer:
            raise errors.UsageError(f'{endpoint} is the relation of peers, which is never removed')
        if not hooks:
            del self._known[relation.id]
            return
        for unit in sorted(relation.units):
            self._queue(relation, 'departed', unit)
        self.agent.queue(f'{endpoint}-relation-broken', relation=relation)


def _addresses(known: model.Model) -> dict[str, str]:
    return {
        'egress-subnets': f'{known.ingress_address}/32',
        'ingress-address': known.address,
        'private-address': known.address,
    }


def _texts(data: typing.Mapping[str, typing.Any]) -> dict[str, str]:
    return {key: str(value) for key, value in data.items()}
