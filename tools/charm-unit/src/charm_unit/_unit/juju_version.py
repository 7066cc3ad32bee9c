"""Where the versions of Juju differ for a charm with images.

Read in juju/juju at its release tags. Pod specs exist from 2.5 to 3.6.
"""

import dataclasses
import re

from charm_unit._unit import errors

_FIRST, _LAST = (2, 5, 0), (3, 6, 999)


@dataclasses.dataclass(frozen=True)
class JujuVersion:
    """A version of Juju, such as 2.9.49; compares with tuples of three integers."""

    text: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r'\d+\.\d+(\.\d+)?', self.text):
            raise errors.UsageError(f'{self.text!r} is not a version of Juju such as 2.9.49')
        if not _FIRST <= self.numbers <= _LAST:
            raise errors.UsageError(
                f'Juju {self.text} cannot be simulated: pod specs exist in Juju 2.5 to 3.6'
            )

    @property
    def numbers(self) -> tuple[int, ...]:
        """The three integers by which versions are compared."""
        return (*map(int, self.text.split('.')), 0)[:3]

    @property
    def shares_details_file(self) -> bool:
        """Whether the details of all images are delivered in one file (commit eca6315aeb)."""
        return self.numbers >= (2, 9, 31)

    @property
    def attach_runs_hooks(self) -> bool:
        """Whether attaching an image runs upgrade-charm (pull request 10624)."""
        return self.numbers >= (2, 6, 9)

    @property
    def checks_pod_spec(self) -> bool:
        """Whether pod-spec-set itself rejects a bad spec."""
        return self.numbers >= (2, 6, 0)

    @property
    def rejects_spec_of_others(self) -> bool:
        """Whether pod-spec-set fails in a unit that does not lead, and not only warns."""
        return self.numbers >= (2, 9, 0)

    @property
    def has_application_data(self) -> bool:
        """Whether an application has data of its own in a relation, and hooks know the remote."""
        return self.numbers >= (2, 7, 0)

    @property
    def lists_remote_application(self) -> bool:
        """Whether relation-list has the option --app."""
        return self.numbers >= (2, 9, 0)

    @property
    def tells_departing_unit(self) -> bool:
        """Whether hooks know JUJU_DEPARTING_UNIT, and JUJU_DISPATCH_PATH."""
        return self.numbers >= (2, 8, 0)

    @property
    def has_registry_details(self) -> bool:
        """Whether the details of an image may have auth, email, serveraddress and the like."""
        return self.numbers >= (2, 9, 13)

    @property
    def has_registry_tokens(self) -> bool:
        """Whether auth and tokens in such details must be mappings in YAML (docker/auth.go)."""
        return self.numbers >= (2, 9, 16)

    @property
    def has_relation_created(self) -> bool:
        """Whether a relation begins with the hook ENDPOINT-relation-created."""
        return self.numbers >= (2, 8, 0)

    @property
    def has_remove_hook(self) -> bool:
        """Whether the last hook of a unit is remove, and not stop."""
        return self.numbers >= (2, 8, 0)

    @property
    def keeps_unit_state(self) -> bool:
        """Whether the controller knows which hooks a unit has run."""
        return self.numbers >= (2, 8, 0)

    @property
    def has_spec_version_3(self) -> bool:
        """Whether pod specs of version 3 are known."""
        return self.numbers >= (2, 8, 0)

    @property
    def has_containers(self) -> bool:
        """Whether metadata.yaml may have containers, and manifest.yaml is read (juju/charm v8)."""
        return self.numbers >= (2, 9, 0)

    @property
    def has_ports_of_endpoints(self) -> bool:
        """Whether ports are opened for endpoints."""
        return self.numbers >= (2, 9, 0)

    @property
    def lists_pending_ports(self) -> bool:
        """Whether opened-ports lists what the hook itself has opened."""
        return self.numbers >= (3, 1, 1)

    @property
    def has_tasks(self) -> bool:
        """Whether actions.yaml may have `parallel` and `execution-group` (juju/charm v9)."""
        return self.numbers >= (3, 0, 0)

    @property
    def has_secret_options(self) -> bool:
        """Whether an option may be of the type secret (juju/charm v11.0.2)."""
        return self.numbers >= (3, 3, 0)

    @property
    def has_ipv6_registries(self) -> bool:
        """Whether a reference may begin with an IPv6 address (its go.mod)."""
        return self.numbers >= (3, 3, 0)
