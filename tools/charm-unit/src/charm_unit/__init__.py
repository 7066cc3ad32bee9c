"""Any charm that `charm-build` made, in a simulated Juju unit: no Juju, no Kubernetes.

    import charm_unit

    with charm_unit.Unit('built/my-charm', resources={'my-resource': 'nginx:1.27'}) as unit:
        unit.deploy()
        upgrade, config_changed = unit.attach('my-resource', 'nginx:1.28')
        assert unit.image('my-service') == 'nginx:1.28'
        assert unit.status == ('active', 'ready')

`Unit` is what an operator has: it is deployed, configured, related, upgraded, and says what came
of it. Each hook that follows is a fresh process of the charm's own file, in Juju's environment,
and leaves a `Run`: flags, statuses, logs, pod spec, relation data, processes, exit code. Errors
are of one family, CharmUnitError.
"""

from charm_unit._unit.errors import (
    CharmUnitError,
    EnvironmentFailed,
    HookFailed,
    NotABuiltCharm,
    WrongUse,
)
from charm_unit._unit.runs import ActionResult, Run
from charm_unit._unit.unit import Unit

__all__ = [
    'ActionResult',
    'CharmUnitError',
    'EnvironmentFailed',
    'HookFailed',
    'NotABuiltCharm',
    'Run',
    'Unit',
    'WrongUse',
]
