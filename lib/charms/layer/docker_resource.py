"""The charm's image resources: fetch them, and know which image each one is.

Flags tell what became of the resource NAME:

- ``layer.docker-resource.NAME.fetched``: it was asked for, by `fetch` or by ``auto-fetch: true``.
- ``layer.docker-resource.NAME.available``: `get_info` gives its image.
- ``layer.docker-resource.NAME.failed``: it can't be had, or isn't valid; the status says why.
- ``layer.docker-resource.NAME.changed``: in this hook it became another image, or got other
  credentials.
"""

import collections
import os
import re
import selectors
import signal
import subprocess
import time

from charmhelpers.core import hookenv, unitdata
from charms import layer, reactive

# The modules of container_image are imported where they are used: an idle hook needs none of them.

_PREFIX = 'layer.docker-resource.'
_STATES = ('fetched', 'available', 'failed', 'changed')
_TYPES = ('oci-image', 'docker')  # `docker` was its name before Juju 2.5.0
_TRUE_WORDS = ('true', 'yes', 'on')  # older releases of this layer took any text for true

# `pending`, and the key of _image_info_key, are as older releases of this layer have them.
_PENDING = _PREFIX + 'pending'
_OLDER_AUTO_FETCHED = _PREFIX + 'auto-fetched'
_AUTO_FETCH_DONE = _PREFIX + 'auto-fetch-done'
_PROBLEMS = _PREFIX + 'problems'

_RESOURCE_GET_SECONDS = 30
_REGISTRIES_SECONDS = 30  # for all of a hook's look-ups together
_OUTPUT_MAX = 64 * 1024

_ATTACH = 'juju attach-resource {application} {name}=IMAGE'
_REPORT = "report it to the charm's author"
_RETRY = 'it is tried again in the next hook'

_read_in_this_hook = set()
_registries_end = None  # as time.monotonic() counts


class DockerImageInfo:
    """An image, and what its registry wants to see before it gives it."""

    def __init__(self, registry_path, username='', password='', digest=''):
        self._registry_path = registry_path
        self._username = username
        self._password = password
        self._digest = digest

    @property
    def registry_path(self):
        """The reference of the image (str), as the operator or Charmhub gave it."""
        return self._registry_path

    @property
    def username(self):
        """The user name for the registry (str), '' where it wants none."""
        return self._username

    @property
    def password(self):
        """The password for the registry (str), '' where it wants none."""
        return self._password

    @property
    def digest(self):
        """The digest (str) that the registry gave for the image, '' without ``verify-image``."""
        return self._digest

    @property
    def image_details(self):
        """The mapping (dict of str) that ``imageDetails`` wants in a pod spec, versions 1 to 3."""
        return {
            'imagePath': self._registry_path,
            'username': self._username,
            'password': self._password,
        }

    def __repr__(self):
        return f'<DockerImageInfo {self._registry_path!r}>'


def fetch(resource_name):
    """Ask for the image resource `resource_name` (str).

    It is read in this hook, unless it was already; the flags tell what came of it.
    """
    _toggle(resource_name, 'fetched', True)
    if resource_name not in _read_in_this_hook:
        kv = unitdata.kv()
        kv.set(_PENDING, kv.get(_PENDING, []) + [resource_name])
        reactive.set_flag(_PENDING)


def get_info(resource_name):
    """Return the DockerImageInfo of the resource `resource_name` (str).

    Raises ValueError while the resource isn't available.
    """
    flag = _flag(resource_name, 'available')
    info = _last_good(resource_name) if reactive.is_flag_set(flag) else None
    if info is None:
        raise ValueError(f'resource {resource_name} is not available: wait for the flag {flag}')
    return info


def _begin_hook():
    """Read what this hook has to read, before any handler runs."""
    global _registries_end
    _registries_end = None
    _read_in_this_hook.clear()
    # Registered here, after all modules were imported: callbacks run last in, first out, and
    # layer:status has to send the status after this one asked for it.
    hookenv.atexit(_end_hook)
    kv = unitdata.kv()
    had_problems = bool(_problems())
    # Juju runs upgrade-charm for another charm and for another image.
    upgraded = hookenv.hook_name() == 'upgrade-charm'
    if upgraded:
        _adopt_older_state()
        _forget_undeclared()
    if upgraded or not kv.get(_AUTO_FETCH_DONE):
        _auto_fetch()
        kv.set(_AUTO_FETCH_DONE, True)
    available = () if upgraded else _names('available')
    _read([name for name in _names('fetched') if name not in available] + _take_pending())
    _take_back(had_problems)


def _read_pending():
    """Read what handlers asked for in this hook."""
    had_problems = bool(_problems())
    _read(_take_pending())
    _take_back(had_problems)


def _take_back(had_problems):
    """Take back what _end_hook said; the charm's handlers, still to run, may know better."""
    if had_problems and not _problems() and _option('set-status', True):
        layer.status.maintenance('image resources are in order')


def _end_hook():
    """Tell the operator what is wrong, and let the news of this hook be over."""
    for name in _names('changed'):
        _toggle(name, 'changed', False)
    problems = _problems()
    if problems and _option('set-status', True):
        for status, tell in (('waiting', layer.status.waiting), ('blocked', layer.status.blocked)):
            alike = {name: each for name, each in problems.items() if each.status == status}
            if alike:
                tell(_sentence(alike))


def _flag(name, state):
    return f'{_PREFIX}{name}.{state}'


def _toggle(name, state, wanted):
    """Set or clear a flag, if need be: charms.reactive tests all handlers again after a clear."""
    flag = _flag(name, state)
    if wanted != reactive.is_flag_set(flag):
        reactive.toggle_flag(flag, wanted)


def _names(state):
    """Return the sorted names of the resources that have the flag of `state`."""
    suffix = '.' + state
    return sorted(
        flag[len(_PREFIX) : -len(suffix)]
        for flag in reactive.get_flags()
        if flag.startswith(_PREFIX) and flag.endswith(suffix)
    )


def _option(name, default):
    value = layer.options.get('docker-resource', name)
    return default if value is None else value  # a charm put together by hand has no defaults


def _declared():
    """Return the resources in metadata.yaml, by name."""
    resources = (hookenv.metadata() or {}).get('resources')
    return resources if isinstance(resources, dict) else {}


def _image_info_key(name):
    return f'{_PREFIX}{name}.image-info'


def _last_good(name):
    """Return the DockerImageInfo that was read last, available or not, or None."""
    stored = unitdata.kv().get(_image_info_key(name))
    # Older releases kept whatever the file had: null, 83 for the password 0123, even a list.
    if not isinstance(stored, dict) or not stored.get('registrypath'):
        return None
    values = [stored.get(key) for key in ('registrypath', 'username', 'password', 'digest')]
    return DockerImageInfo(*('' if value is None else str(value) for value in values))


def _keep(name, info):
    unitdata.kv().set(
        _image_info_key(name),
        {
            'registrypath': info.registry_path,
            'username': info.username,
            'password': info.password,
            'digest': info.digest,
        },
    )


# Why a resource can't be used, what the operator can do, and the status that this makes.
_Problem = collections.namedtuple('_Problem', 'status reason remedy')


class _Unusable(Exception):
    def __init__(self, reason, remedy, status='blocked'):
        super().__init__(reason)
        self.problem = _Problem(status, reason, remedy)


def _problems():
    """Return the _Problem of each resource that has one, by name."""
    stored = unitdata.kv().get(_PROBLEMS, {})
    return {name: _Problem(*problem) for name, problem in stored.items()}


def _adopt_older_state():
    """End what older releases of this layer left behind, once."""
    if not reactive.is_flag_set(_OLDER_AUTO_FETCHED):
        return
    reactive.clear_flag(_OLDER_AUTO_FETCHED)
    for name in _names('changed'):
        _toggle(name, 'changed', False)  # they left it set for good
    for name in _names('fetched'):
        unitdata.kv().unset('reactive.data_changed.' + _PREFIX + name)


def _forget_undeclared():
    """Drop all that is known of resources which an upgrade took out of metadata.yaml."""
    known = set(_problems()).union(*(_names(state) for state in _STATES))
    for name in known.difference(_declared()):
        _forget(name)


def _forget(name):
    for state in _STATES:
        _toggle(name, state, False)
    problems = _problems()
    problems.pop(name, None)
    unitdata.kv().set(_PROBLEMS, problems)
    unitdata.kv().unset(_image_info_key(name))


def _auto_fetch():
    """Mark as fetched what metadata.yaml wants to be fetched."""
    for name in set(_problems()).difference(_names('fetched')):
        _forget(name)  # it was metadata.yaml that was wrong, and may be right by now
    for name, resource in _declared().items():
        if not isinstance(resource, dict):
            _settle(name, _Unusable('metadata.yaml says nothing about it', _REPORT))
        elif resource.get('type') in _TYPES:
            wanted = resource.get('auto-fetch', False)
            if wanted is True or str(wanted).lower() in _TRUE_WORDS:
                _toggle(name, 'fetched', True)
            elif wanted not in (False, None):
                _settle(name, _Unusable('its auto-fetch is not true or false', _REPORT))
    _log_problems(set(_problems()).difference(_names('fetched')))


def _take_pending():
    """Return what `fetch` was called for since the last time."""
    kv = unitdata.kv()
    names = kv.get(_PENDING, [])
    if names:
        kv.unset(_PENDING)
    if reactive.is_flag_set(_PENDING):
        reactive.clear_flag(_PENDING)
    return names


def _read(names):
    """Read the resources `names`, and let the flags tell what came of each."""
    names = [name for name in dict.fromkeys(names) if name not in _read_in_this_hook]
    _read_in_this_hook.update(names)
    outcomes = {}
    for name in names:
        try:
            outcomes[name] = _get(name)
        except _Unusable as error:
            outcomes[name] = error
    readable = {
        name: outcome for name, outcome in outcomes.items() if isinstance(outcome, DockerImageInfo)
    }
    if readable and _option('verify-image', False):
        outcomes.update(_verified(readable))
    for name in names:
        _settle(name, outcomes[name])
    _log_problems(names)


def _log_problems(names):
    problems = {name: problem for name, problem in _problems().items() if name in names}
    if problems:
        hookenv.log(_sentence(problems), level=hookenv.ERROR)


def _get(name):
    """Return the DockerImageInfo that the controller has for `name`; raise _Unusable."""
    from container_image import contents

    resource = _declared().get(name)
    if not isinstance(resource, dict):
        raise _Unusable("it is not in the charm's metadata.yaml", _REPORT)
    if resource.get('type') not in _TYPES:
        raise _Unusable('metadata.yaml does not give it the type oci-image', _REPORT)
    if not _is_known(name) and _option('set-status', True):
        layer.status.maintenance(f'fetching resource: {name}')
    # Since Juju 2.9.31 all images of a unit share one file: it is read before the next
    # resource is asked for.
    path = _resource_get(name)
    try:
        details = contents.read(path)
    except contents.InvalidContents as error:
        raise _Unusable(str(error), _ATTACH) from None
    return DockerImageInfo(*details)


def _is_known(name):
    return name in _problems() or _last_good(name) is not None


def _verified(infos):
    """Return, by name, what the registries make of each DockerImageInfo in `infos`."""
    global _registries_end
    from container_image import reference, registry

    if _registries_end is None:
        _registries_end = time.monotonic() + _REGISTRIES_SECONDS
    answers = registry.look_up(
        {
            name: (reference.Reference.parse(info.registry_path), info.username, info.password)
            for name, info in infos.items()
        },
        limit=max(0, _registries_end - time.monotonic()),
        proxies=_proxies(),
    )
    outcomes = {}
    for name, answer in answers.items():
        last = _last_good(name)
        if isinstance(answer, registry.Refused):
            outcomes[name] = _Unusable(str(answer), _ATTACH)
        elif not isinstance(answer, registry.Unavailable):
            outcomes[name] = DockerImageInfo(*_details(infos[name]), answer)
        elif last and last.digest and _details(last) == _details(infos[name]):
            outcomes[name] = last  # confirmed before: nothing speaks against it now
        else:
            outcomes[name] = _Unusable(str(answer), _RETRY, status='waiting')
    return outcomes


def _proxies():
    """Return the proxies that the model's configuration has for charms, as registry takes them."""
    variables = {
        'http': 'JUJU_CHARM_HTTP_PROXY',
        'https': 'JUJU_CHARM_HTTPS_PROXY',
        'no_proxy': 'JUJU_CHARM_NO_PROXY',
    }
    return {key: os.environ[name] for key, name in variables.items() if os.environ.get(name)}


def _details(info):
    return (info.registry_path, info.username, info.password)


def _settle(name, outcome):
    """Let flags and stored state tell that `name` is a DockerImageInfo, or _Unusable."""
    kv = unitdata.kv()
    problems = _problems()
    problem = getattr(outcome, 'problem', None)
    if problem:
        problems[name] = problem
        _toggle(name, 'changed', False)
    else:
        last = _last_good(name)
        _keep(name, outcome)
        problems.pop(name, None)
        if last and _is_another(last, outcome):
            _toggle(name, 'changed', True)
    kv.set(_PROBLEMS, problems)
    _toggle(name, 'available', not problem)
    _toggle(name, 'failed', bool(problem) and problem.status == 'blocked')


def _is_another(last, info):
    """Tell whether the image or its credentials changed; a tag may mean another image by now."""
    digests = {last.digest, info.digest}
    return _details(last) != _details(info) or ('' not in digests and len(digests) > 1)


def _sentence(problems):
    """Return what an operator has to know of `problems`, a _Problem for each name."""
    groups = collections.OrderedDict()
    for name in sorted(problems):
        groups.setdefault(problems[name], []).append(name)
    return '; '.join(
        '{}: {} ({})'.format(
            ', '.join(names),
            reason,
            remedy.format(
                application=hookenv.application_name(),
                name=names[0] if len(names) == 1 else 'NAME',
            ),
        )
        for (_, reason, remedy), names in groups.items()
    )


def _resource_get(name):
    """Return the path of the file of the resource `name`; raise _Unusable."""
    tool = _BoundedSubprocess()
    original, hookenv.subprocess = hookenv.subprocess, tool
    try:
        # Through hookenv, where the tests of charms put their mocks.
        path = hookenv.resource_get(name)
    except subprocess.TimeoutExpired:
        seconds = _RESOURCE_GET_SECONDS
        raise _Unusable(f'resource-get gave no answer in {seconds} s', _RETRY) from None
    except (NotImplementedError, OSError):
        raise _Unusable('the tool resource-get cannot be run', _RETRY) from None
    except Exception:
        raise _Unusable('resource-get printed what is no path', _RETRY) from None
    finally:
        hookenv.subprocess = original
    path = str(path).strip('\r\n') if path else ''
    if path:
        return path
    reason = _reason(tool.stderr)
    if re.search(r'\bresource\b.* not found', reason):
        raise _Unusable('no image is attached', _ATTACH)
    raise _Unusable('resource-get gave no file' + (reason and f': {reason}'), _RETRY)


def _reason(stderr):
    """Return the last line of `stderr` (bytes), fit for a status line."""
    lines = [line for line in stderr.decode('utf-8', 'replace').split('\n') if line.strip()]
    line = ' '.join(lines[-1].split()) if lines else ''
    line = re.sub(r'^ERROR (could not download resource: )?', '', line)
    line = re.sub(r'//[^/\s]*@', '//', line)
    return ''.join(character for character in line if character.isprintable())[:200]


class _BoundedSubprocess:
    """Stands in for the module `subprocess` in hookenv.resource_get, which sets no limits, and
    leaves the reason of a failure to whoever reads stderr.
    """

    def __init__(self):
        self.stderr = b''

    def __getattr__(self, name):
        return getattr(subprocess, name)

    def check_output(self, command):
        """Return what `command` prints; raise CalledProcessError, TimeoutExpired or OSError."""
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that what it starts can be ended with it
        ) as process:
            try:
                stdout, self.stderr = _communicate(process, _RESOURCE_GET_SECONDS)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        return stdout


def _communicate(process, seconds):
    """Return what `process` writes to stdout and to stderr until it ends.

    Raises TimeoutExpired after `seconds`, and ValueError once it has written too much.
    """
    end = time.monotonic() + seconds
    written = {process.stdout: b'', process.stderr: b''}
    with selectors.DefaultSelector() as selector:
        for pipe in written:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            if time.monotonic() >= end:
                raise subprocess.TimeoutExpired(process.args, seconds)
            for key, _ in selector.select(end - time.monotonic()):
                block = os.read(key.fd, _OUTPUT_MAX)
                written[key.fileobj] += block
                if not block:
                    selector.unregister(key.fileobj)
                if len(written[key.fileobj]) > _OUTPUT_MAX:
                    raise ValueError('more output than a path or a reason has')
    process.wait(max(0, end - time.monotonic()))
    return written[process.stdout], written[process.stderr]
