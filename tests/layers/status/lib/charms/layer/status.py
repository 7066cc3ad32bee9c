"""One status of many: maintenance at once, of the others the worst at the end of the hook.

Blocked beats waiting beats active; of the same, the last one said stays. A hook that says
nothing leaves the status as it was.
"""

import enum
import errno
import subprocess

from charmhelpers.core import hookenv

_call = subprocess.call
_queued = {}
_reactive = False  # reactive/status.py ran, so that the end of the hook will send what is queued


class WorkloadState(enum.Enum):
    """The states in the order in which they win."""

    MAINTENANCE = 'maintenance'
    BLOCKED = 'blocked'
    WAITING = 'waiting'
    ACTIVE = 'active'


def maintenance(message):
    """Say so at once."""
    status_set(WorkloadState.MAINTENANCE, message)


def maint(message):
    """Say so at once."""
    maintenance(message)


def blocked(message):
    """Queue it."""
    status_set(WorkloadState.BLOCKED, message)


def waiting(message):
    """Queue it."""
    status_set(WorkloadState.WAITING, message)


def active(message):
    """Queue it."""
    status_set(WorkloadState.ACTIVE, message)


def status_set(workload_state, message):
    """Send maintenance, queue another; raise ValueError for a state that Juju doesn't know."""
    state = WorkloadState(workload_state)
    if state is WorkloadState.MAINTENANCE:
        _send(state, message)
        return
    _queued[state] = message
    if not _reactive:
        _finalize()


def _initialize(patch_hookenv):
    global _reactive
    _reactive = True
    if patch_hookenv:
        subprocess.call = _call_or_queue
    hookenv.atexit(_finalize)


def _finalize():
    global _reactive
    _reactive = False
    for state in WorkloadState:
        if state in _queued:
            _send(state, _queued[state])
            break


def _send(state, message):
    hookenv.log(f'status-set: {state.value}: {message}', hookenv.INFO)
    try:
        _call(['status-set', state.value, message])
    except OSError as error:
        if error.errno != errno.ENOENT:  # an old controller has no such tool
            raise


def _call_or_queue(command, *args, **kwargs):
    # hookenv.status_set may be imported by name long before us; what it calls may not.
    if isinstance(command, list) and command[0] == 'status-set':
        _tool, state, message = command
        status_set(state, message)
        return 0
    return _call(command, *args, **kwargs)
