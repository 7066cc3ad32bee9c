"""The units of an application, which receive each other's relation data and leader settings."""

from charm_unit._unit import relations, runs


class Application:
    """The units of an application, by their relations; the first ones run their hooks first."""

    def __init__(self, first: relations.Relations) -> None:
        self.units = [first]
        self._leader_settings = dict(first.agent.model.leader_settings)

    def add(self, unit: relations.Relations) -> None:
        """Add a unit, and introduce it and the others to each other."""
        unit.agent.model.leader_settings = self.units[0].agent.model.leader_settings
        for other in self.units:
            other.introduce(unit)
            unit.introduce(other)
            other.agent.model.peer_statuses[unit.agent.model.unit] = unit.agent.status
            unit.agent.model.peer_statuses[other.agent.model.unit] = other.agent.status
        self.units.append(unit)

    def run_pending(
        self, check: bool, besides: 'relations.Relations | None' = None
    ) -> list[runs.Run]:
        """Run the pending hooks of each unit, and the hooks of the others that follow from them.

        After a hook that fails, no other hook of its unit runs. No hook of the unit `besides`
        runs. Raises HookFailedError if a hook fails and `check`.
        """
        done: list[runs.Run] = []
        tried: set[int] = set()
        while True:
            waiting = [
                unit
                for unit in self.units
                if unit is not besides
                and unit.agent.pending
                and not (unit.agent.failed and id(unit) in tried)
            ]
            if not waiting:
                return done
            for unit in waiting:
                tried.add(id(unit))
                done += unit.agent.run_pending(check)
                self.share(unit)

    def share(self, unit: relations.Relations) -> None:
        """Copy to the other units what they can see of a unit, and queue the hooks that follow."""
        known = unit.agent.model
        others = [other for other in self.units if other is not unit]
        for other in others:
            other.receive_from_peer(unit)
            other.agent.model.peer_statuses[known.unit] = unit.agent.status
            if known.leader:
                theirs = other.agent.model
                theirs.pod_spec, theirs.raw_spec = known.pod_spec, known.raw_spec
                theirs.application_status = known.application_status
        if known.leader_settings != self._leader_settings:
            self._leader_settings = dict(known.leader_settings)
            for other in others:
                other.agent.queue_once('leader-settings-changed')
