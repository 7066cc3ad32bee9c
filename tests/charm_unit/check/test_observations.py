"""What a hook lacks on this machine is not a fault of its charm."""

import dataclasses

import pytest

from charm_unit._check import observations, scenarios
from charm_unit._unit import runs

_RUN = runs.Run(
    'install', 'small/0', 1, '', ('', ''), [], [], [], set(), set(), set(), None, {}, 0, 0
)
_STARTED = '  File "/usr/lib/python3.8/subprocess.py", line 1702, in _execute_child\n'


@pytest.mark.parametrize(
    ('output', 'lacks'),
    [
        ("ModuleNotFoundError: No module named 'lightkube.core'", 'the module lightkube.core'),
        ("ModuleNotFoundError: No module named 'charms.layer.mine'", ''),
        (
            _STARTED + "FileNotFoundError: [Errno 2] No such file or directory: 'openssl'",
            'the program openssl, which is missing',
        ),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'spec.yaml'", ''),
        ("PermissionError: [Errno 13] Permission denied: '/proc/1/environ'", 'Kubernetes'),
        (
            'kubernetes.config.config_exception.ConfigException: Service host/port is not set.',
            'Kubernetes',
        ),
        (
            'FileNotFoundError: [Errno 2] No such file or directory: '
            "'/var/run/secrets/kubernetes.io/serviceaccount/token'",
            'Kubernetes',
        ),
        ("KeyError: 'kubernetes'", ''),
        ("PermissionError: [Errno 13] Permission denied: '/run/secret'", 'run the check as root'),
        ("PermissionError: [Errno 13] Permission denied: '/x/agents/unit/charm/run'", ''),
        ('', ''),
    ],
)
def test_a_hook_that_lacks_something_here_is_told_what(output, lacks):
    told = observations.not_its_fault(dataclasses.replace(_RUN, output=f'Traceback …\n{output}\n'))
    assert lacks in told
    assert bool(told) == bool(lacks)


def test_a_password_in_what_a_hook_printed_last_is_masked():
    secret = f'/proc/1/environ {scenarios.PASSWORDS[0]}'
    run = dataclasses.replace(_RUN, output=secret)
    assert scenarios.PASSWORDS[0] not in observations.not_its_fault(run) + observations.error(run)


_TRACEBACK = """Traceback (most recent call last):
  File "/x/agents/unit/charm/hooks/install", line 22, in <module>
    main()
  File "/x/agents/unit/charm/lib/charms/reactive/__init__.py", line 75, in main
    bus.dispatch(restricted=restricted_mode)
  File "/x/agents/unit/charm/reactive/my_charm.py", line 17, in start_container
    send(layer.mine.hosts())
  File "/x/agents/unit/charm/lib/charms/layer/mine.py", line 5, in hosts
    return hosts[1]
IndexError: list index out of range
"""


def test_a_hook_that_failed_is_told_with_the_handler_and_its_line():
    failed = dataclasses.replace(_RUN, output=_TRACEBACK)
    assert observations.error(failed) == (
        'install ended in error: IndexError: list index out of range '
        '(reactive/my_charm.py:17, in start_container)'
    )
    logged = dataclasses.replace(
        _RUN, output='IndexError: list index out of range\n', log=[('ERROR', _TRACEBACK)]
    )
    assert observations.error(logged).endswith('(reactive/my_charm.py:17, in start_container)')
    without = _TRACEBACK.replace('reactive/my_charm.py', 'other/my_charm.py')
    assert observations.error(dataclasses.replace(_RUN, output=without)).endswith(
        '(lib/charms/layer/mine.py:5, in hosts)'
    )


def test_an_unknown_field_of_a_pod_spec_is_told_with_the_juju_that_takes_it():
    output = 'ERROR json: unknown field "fsGroup"\n'
    seen = observations.error(dataclasses.replace(_RUN, output=output))
    assert seen == (
        'install ended in error: ERROR json: unknown field "fsGroup" '
        '(Juju before 2.6 accepts it unchecked: --juju 2.5)'
    )
