"""The engines of the tests change nothing of the machine that they run on."""

import json
import pathlib
import subprocess
import sys

import pytest

import services
from services import isolation

# A machine in namespaces, with what its own Docker has made: what the engines of the tests leave
# of it is seen without its neighbours' doings.
MACHINE = r"""
import contextlib, json, os, pathlib, subprocess, sys
from services import engine, isolation

def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout

def state():
    return {
        'interfaces': run('ip', '-brief', 'address'),
        'routes': run('ip', 'route'),
        'iptables': run('iptables', '-S') + run('iptables', '-t', 'nat', '-S'),
        'cgroups': run('find', *sys.argv[3:], '-type', 'd'),
        'mounts': pathlib.Path('/proc/self/mounts').read_text(),
        'processes': sorted(pid for pid in os.listdir('/proc') if pid.isdigit()),
        'files': {
            name: sorted(map(str, pathlib.Path(name).glob('*')))
            for name in ('/etc', '/etc/docker', '/opt', '/run', '/run/docker', '/var/lib')
        },
    }

run('ip', 'link', 'add', 'docker0', 'type', 'bridge')
run('ip', 'address', 'add', '172.17.0.1/16', 'dev', 'docker0')
run('ip', 'link', 'set', 'docker0', 'up')
run('iptables', '-t', 'nat', '-A', 'POSTROUTING', '-s', '172.17.0.0/16', '-j', 'MASQUERADE')
run('iptables', '-A', 'FORWARD', '-i', 'docker0', '-j', 'ACCEPT')
before = state()
with isolation.network(), engine.running(engine.KINDS[sys.argv[1]]) as running:
    running.docker('run', '--detach', '--network=host', running.busybox, 'sleep', '1000')
    running.docker('build', '--network=host', '--tag=built', sys.argv[2])
    during = state()
print(json.dumps([before, during, state()]))
"""


@pytest.mark.parametrize('kind', ['docker', 'podman'])
def test_interfaces_iptables_cgroups_mounts_processes_and_files_are_as_before(kind, tmp_path):
    services.require_root()
    services.require('ip', 'iptables')
    (tmp_path / 'Dockerfile').write_text('FROM busybox:static\nRUN echo built >/built\n')
    cgroups = isolation.make_cgroups(f'tests-{tmp_path.name}')
    namespaces = ['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
    try:
        done = subprocess.run(
            [*isolation.in_cgroups(cgroups), *namespaces]
            + [sys.executable, '-c', MACHINE, kind, str(tmp_path), *map(str, cgroups)],
            cwd=pathlib.Path(__file__).parents[1],
            capture_output=True,
            text=True,
        )
    finally:
        isolation.remove_cgroups(cgroups)
    assert done.returncode == 0, done.stderr
    before, during, after = json.loads(done.stdout)
    assert 'docker0' in before['interfaces']
    assert 'MASQUERADE' in before['iptables']
    assert 'docker0' not in during['interfaces']
    assert during['cgroups'] != before['cgroups']
    assert after == before
