"""One status of many: maintenance at once, of the others the worst at the end of the hook.

Blocked beats waiting beats active. Of several of one state, the one said last stays, unless a
module named as the charm, or as an entry of its `includes`, said one. A hook that says nothing
leaves the status as it was.
"""

import enum
import errno
import inspect
import pathlib
import subprocess

import yaml
from charmhelpers.core import hookenv
from charms import layer

_call = subprocess.call
_queued = {}  # by state: those who said it, and what
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
    _queued.setdefault(state, []).append((_speaker(), message))
    if not _reactive:
        _finalize()


def _speaker():
    """Return the name of the layer's or charm's module that sets a status; None for others."""
    for frame in inspect.stack():
        path = pathlib.Path(frame.filename)
        if path.parent.stem in ('reactive', 'layer', 'charms') and path.stem != 'status':
            return path.stem
    return None


def _initialize():
    global _reactive
    if _reactive:
        return
    _reactive = True
    if layer.options.get('status', 'patch-hookenv'):
        subprocess.call = _call_or_queue
    hookenv.atexit(_finalize)


def _finalize():
    global _reactive
    _reactive = False
    file = pathlib.Path(hookenv.charm_dir(), 'layer.yaml')
    order = [*yaml.safe_load(file.read_text()).get('includes', []), hookenv.charm_name()]

    def rank(said):
        speaker, _message = said
        return order.index(speaker) if speaker in order else 0

    for state in WorkloadState:
        if state in _queued:
            _speaker_, message = sorted(_queued[state], key=rank)[-1]
            _send(state, message)
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
