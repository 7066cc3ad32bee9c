"""The engines of the tests change nothing of the machine that they run on."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

import support
from support import debian, isolation

# A machine in namespaces, with what its own Docker has made: what the engines of the tests leave
# of it is seen without its neighbours' doings.
MACHINE = r"""
import contextlib, json, os, pathlib, re, subprocess, sys
from support import emulation, engine, isolation

binfmt = pathlib.Path('/proc/sys/fs/binfmt_misc')
# what engines make in directories that are everybody's
theirs = re.compile('docker|contain|podman|libpod|buildah|runc|crun|conmon|netns|cni|sshd')

def run(*command, **options):
    options = {'check': True, 'capture_output': True, 'text': True, **options}
    return subprocess.run(command, **options).stdout

def state():
    return {
        'interfaces': run('ip', '-brief', 'address'),
        'routes': run('ip', 'route'),
        'iptables': run('iptables', '-S') + run('iptables', '-t', 'nat', '-S'),
        'cgroups': run('find', *sys.argv[4:], '-type', 'd'),
        'mounts': pathlib.Path('/proc/self/mounts').read_text(),
        'processes': sorted(pid for pid in os.listdir('/proc') if pid.isdigit()),
        'files': {
            name: sorted(str(p) for p in pathlib.Path(name).glob('*') if theirs.search(str(p)))
            for name in ('/etc', '/etc/docker', '/opt', '/run', '/run/docker', '/var/lib')
        },
        'registered': emulation.registered(),
    }

run('ip', 'link', 'add', 'docker0', 'type', 'bridge')
run('ip', 'address', 'add', '172.17.0.1/16', 'dev', 'docker0')
run('ip', 'link', 'set', 'docker0', 'up')
run('iptables', '-t', 'nat', '-A', 'POSTROUTING', '-s', '172.17.0.0/16', '-j', 'MASQUERADE')
run('iptables', '-A', 'FORWARD', '-i', 'docker0', '-j', 'ACCEPT')
if sys.argv[1] == 'docker':  # as systemd has it; a kernel without any is the other case
    run('mount', '-t', 'binfmt_misc', 'none', str(binfmt))
before = state()
with (
    isolation.network(),
    engine.running(engine.KINDS[sys.argv[1]]) as running,
    emulation.arm64() as entry,
):
    machine = run('busybox', 'uname', '-m', executable=sys.argv[3]).strip()
    running.docker('run', '--detach', '--network=host', running.busybox, 'sleep', '1000')
    running.docker('build', '--network=host', '--tag=built', sys.argv[2])
    during = {**state(), 'machine': machine, 'entry': (binfmt / entry).exists()}
after = {**state(), 'entry': (binfmt / entry).exists()}
print(json.dumps([before, during, after]))
"""


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['docker', 'podman'])
def test_engines_leave_interfaces_rules_cgroups_mounts_processes_files_and_binfmt_as_before(
    kind, tmp_path
):
    support.require_root()
    support.require('ip', 'iptables')
    program = debian.busybox_of('arm64')
    (tmp_path / 'Dockerfile').write_text('FROM busybox:static\nRUN echo built >/built\n')
    cgroups = isolation.make_cgroups(f'tests-{os.getpid()}-{kind}')
    namespaces = ['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
    try:
        done = subprocess.run(
            [*isolation.in_cgroups(cgroups), *namespaces]
            + [
                sys.executable,
                '-c',
                MACHINE,
                kind,
                str(tmp_path),
                str(program),
                *map(str, cgroups),
            ],
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
    assert during['machine'] == 'aarch64'
    # seen where the machine shows it, and gone from there, too
    assert during['entry'] == (kind == 'docker')
    assert after.pop('entry') is False
    assert after == before
