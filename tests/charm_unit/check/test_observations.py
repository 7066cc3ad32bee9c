"""What a hook lacks on this machine is not a fault of its charm."""

import dataclasses

import pytest

from charm_unit._check import observations, scenarios
from charm_unit._unit import runs

_RUN = runs.Run('install', 1, '', ('', ''), [], [], [], set(), set(), set(), None, {}, 0, 0)
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
