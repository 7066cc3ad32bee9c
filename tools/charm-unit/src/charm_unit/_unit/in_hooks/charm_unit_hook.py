"""Lets charms of 2018 to 2023 run on today's machines; imported as a hook's interpreter starts.

The one place for what Ubuntu had and this machine, or this Python, has not. It also notes each
process that the hook starts, in the file that $CHARM_UNIT_PROCESSES names. Runs on Python 3.5 and
later, in every interpreter of a hook: it imports what they import anyway.
"""

import builtins
import os
import sys

_UBUNTU = ('Ubuntu', '22.04', 'jammy')


def _imitate_ubuntu():
    """Look like Ubuntu: on import, charmhelpers chooses its modules by platform."""
    import platform

    # Gone since Python 3.8, but preferred wherever it is found.
    platform.linux_distribution = lambda *_, **__: _UBUNTU
    if os.path.exists('/etc/lsb-release'):
        return
    opened = builtins.open

    def open_with_release(file, *arguments, **options):
        if file == '/etc/lsb-release':
            file = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lsb-release')
        return opened(file, *arguments, **options)

    builtins.open = open_with_release


def _restore_removed_names():
    """Restore names that Python has removed and libraries of that time import."""
    if sys.version_info >= (3, 10):
        import collections.abc

        for name in collections.abc.__all__:
            if not hasattr(collections, name):
                setattr(collections, name, getattr(collections.abc, name))
    changes = {'glob': _change_glob, 'inspect': _change_inspect, 'yaml': _change_yaml}
    sys.meta_path.insert(0, _Changes(changes))


class _Changes:
    """Changes modules, by their names, when they are imported: inspect is slow to import."""

    def __init__(self, changes):
        self._changes = changes

    def find_spec(self, name, path=None, target=None):
        change = self._changes.pop(name, None)
        if change is None:
            return None
        import importlib.util

        spec = importlib.util.find_spec(name)
        self._changes[name] = change  # a hook may import it from elsewhere
        if spec is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_change(module):
            execute(module)
            change(module)

        spec.loader.exec_module = execute_and_change
        return spec


def _change_glob(glob):
    """Juju's operator has a link to its jujud below /var/lib/juju: charmhelpers looks for it."""
    tools, find = '/var/lib/juju/tools/', glob.glob

    def find_with_jujud(pathname, *arguments, **options):
        if isinstance(pathname, str) and pathname.startswith(tools):
            unit = os.path.dirname(os.path.dirname(os.path.dirname(os.environ['CHARM_DIR'])))
            pathname = os.path.join(unit, 'jujud', pathname[len(tools) :])
        return find(pathname, *arguments, **options)

    glob.glob = find_with_jujud


def _change_inspect(inspect):
    if not hasattr(inspect, 'getargspec'):  # until Python 3.10
        inspect.getargspec = lambda function: inspect.getfullargspec(function)[:4]


def _change_yaml(yaml):
    """Make the loader optional, as in PyYAML 5, which Juju's images have; remember documents.

    `load.known` has what yaml.safe_load makes of some texts: nothing, unless the process that
    forks hooks has parsed them. Each hook has this function, so that tracebacks are the same.
    """
    if not hasattr(yaml, 'load'):  # a module of the charm's that has the name
        return
    optional = int(getattr(yaml, '__version__', '0').partition('.')[0]) >= 6
    safe = getattr(yaml, 'SafeLoader', None)
    tables = [(kind, _copy(kind)) for kind in getattr(safe, '__mro__', ())]

    def unchanged():
        return [kind for kind, _ in tables] == list(safe.__mro__) and all(
            vars(kind) == known for kind, known in tables
        )

    def with_loader(load):
        return lambda stream, Loader=yaml.FullLoader: load(stream, Loader)  # noqa: N803 (theirs)

    if optional:
        yaml.load_all = with_loader(yaml.load_all)
        parse = with_loader(yaml.load)
    else:
        parse = yaml.load

    def load(stream, *loader, **named):
        if load.known and loader == (safe,) and not named and unchanged():
            text = stream if isinstance(stream, str) else _peek(stream)
            if text in load.known:
                if text is not stream:
                    stream.seek(0, os.SEEK_END)
                import copy

                return copy.deepcopy(load.known[text])
        return parse(stream, *loader, **named)

    load.known = {}
    yaml.load = load


def _copy(kind):
    """Return what a class of loaders is, to be compared: charms add constructors to its tables."""
    return {
        name: {key: list(it) if isinstance(it, list) else it for key, it in value.items()}
        if isinstance(value, dict)
        else value
        for name, value in vars(kind).items()
    }


def _peek(stream):
    """Return the text that a file has left to read, and leave it there; None for other streams."""
    import io

    if type(stream) is not io.TextIOWrapper or not stream.seekable():
        return None
    position = stream.tell()
    text = stream.read()
    stream.seek(position)
    return text


_note = None
"""What is told the command line of each process that is started, if anything is."""
_hears = False


def note_processes(file):
    """Write the command of every process that is started into `file`, a line of JSON each."""

    def write(command):
        import json

        # Not with open(), which takes longer than all else that is done here.
        notes = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(notes, (json.dumps(command) + '\n').encode())
        os.close(notes)

    note_with(write)


def note_with(function):
    """Call a function with the command of every process that is started; with None, stop."""
    global _note
    _note = function
    if function and not _hears:
        _hear()


def _hear():
    global _hears
    _hears = True

    def note(command):
        if _note is None:
            return
        if isinstance(command, (str, bytes)) or hasattr(command, '__fspath__'):
            command = [command]
        _note([os.fsdecode(word) for word in command])

    if sys.version_info < (3, 8):  # without audit hooks
        import _posixsubprocess

        fork_exec = _posixsubprocess.fork_exec

        def noting(arguments, *more):
            note(arguments)
            return fork_exec(arguments, *more)

        _posixsubprocess.fork_exec = noting
        return
    events = {'subprocess.Popen'}
    events |= {'os.system', 'os.exec', 'os.posix_spawn', 'os.fork', 'os.forkpty', 'pty.spawn'}

    def hear(event, arguments):
        if event not in events:  # most are not, and there are thousands
            return
        if event == 'subprocess.Popen':
            note(arguments[1])
        else:
            note([event] + [repr(argument) for argument in arguments])

    sys.addaudithook(hear)


def _debug_at(terminal):
    """Have breakpoint() ask at a terminal; the program that runs the hook stops timing it."""

    def breakpointhook(*_, **__):
        import pdb

        with open(os.environ['CHARM_UNIT_DEBUGGED'], 'w'):
            pass
        # Not as the controlling terminal: the hook leads a session of its own.
        descriptor = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
        source, target = os.fdopen(descriptor), os.fdopen(os.dup(descriptor), 'w')
        pdb.Pdb(stdin=source, stdout=target).set_trace(sys._getframe(1))

    sys.breakpointhook = breakpointhook


def _measure_coverage(settings):
    """Note which lines of the charm are run, with the coverage.py of who runs the hook."""
    import atexit
    import json

    settings = json.loads(settings)
    sys.path.append(settings['packages'])
    try:
        import coverage
    except ImportError:  # it is for another version of Python
        return
    finally:
        sys.path.remove(settings['packages'])
    measured = coverage.Coverage(
        data_file=settings['file'],
        data_suffix=True,
        branch=settings['branch'],
        include=[settings['charm'] + '/*'],
        config_file=False,
        messages=False,
    )
    measured.start()

    def save():
        measured.stop()
        measured.save()

    atexit.register(save)


def prepare():
    """Do what the program that runs the hook asks for, in variables of the environment."""
    for name, function in (
        ('CHARM_UNIT_PROCESSES', note_processes),
        ('CHARM_UNIT_TERMINAL', _debug_at),
        ('CHARM_UNIT_COVERAGE', _measure_coverage),
    ):
        if os.environ.get(name):
            function(os.environ[name])


_imitate_ubuntu()
_restore_removed_names()
prepare()
