"""Any charm that `charm-build` made, in a simulated Juju unit: no Juju, no Kubernetes.

    import charm_unit

    with charm_unit.Unit('built/my-charm', resources={'my-resource': 'nginx:1.27'}) as unit:
        upgrade, config_changed = unit.attach('my-resource', 'nginx:1.28')
        assert unit.image('my-service') == 'nginx:1.28'
        assert unit.status == ('active', 'ready')

A `Unit` is what an operator deploys, configures, relates and upgrades. Each hook that follows is a
new process of the charm's own file, in Juju's environment, and leaves a `Run`: flags, statuses,
log, pod spec, relation data, processes, exit code. All errors are CharmUnitError.
"""

from charm_unit._unit.charm import BuiltCharm
from charm_unit._unit.errors import (
    CharmEnvironmentError,
    CharmUnitError,
    HookFailedError,
    InvalidCharmError,
    NotABuiltCharmError,
    UsageError,
)
from charm_unit._unit.model import Relation
from charm_unit._unit.runs import ActionResult, Run
from charm_unit._unit.unit import Unit

__all__ = [
    'ActionResult',
    'BuiltCharm',
    'CharmEnvironmentError',
    'CharmUnitError',
    'HookFailedError',
    'InvalidCharmError',
    'NotABuiltCharmError',
    'Relation',
    'Run',
    'Unit',
    'UsageError',
]

for _name in __all__:  # in a traceback, too, they are what a test imports
    globals()[_name].__module__ = __name__
