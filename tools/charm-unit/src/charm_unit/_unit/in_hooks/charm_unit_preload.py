"""Imports once what many hooks import, and forks a process for each hook.

A hook spends most of its time on an interpreter that starts and imports charmhelpers and
charms.reactive. Here, one interpreter imports them in a unit's folder, and forks for each hook of
this unit, or of another one that has the same files. A hook gets these modules only if its own
sys.path leads to the files that they came from; the charm's own modules are its own. Nothing is
shared if an import starts a process or a thread, prints, or reads a variable of the environment
that the hook has with another value: then the hook is a new interpreter, as it is without this.

charm_unit starts this with a socket, a unit's folder, and the large modules that it is to import
as well, as arguments. It sends a message for each hook: JSON, and two descriptors, for the hook's
output and for a socket that is told its process id and how it ended. Runs on Python 3.5 and later.
"""

import _imp
import _thread
import array
import atexit
import builtins
import contextlib
import dis
import functools
import gc
import hashlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import re
import select
import signal
import socket
import sys
import threading
import types
import warnings
import weakref

import charm_unit_hook

_IMPORTS = (
    'yaml',
    'charmhelpers.core.hookenv',
    'charmhelpers.core.host',
    'charmhelpers.core.unitdata',
    'charms.reactive',
)
_LARGE = ('urllib3', 'requests')
"""Modules that are shared once a hook has imported them: each makes all forks and ends slower."""
_DOCUMENTS = ('metadata.yaml', 'layer.yaml', 'config.yaml', 'actions.yaml')
"""What hooks parse again and again, in the charm's folder."""
_REPORT = 'report'
"""The file in a unit's folder in which a hook leaves what it has compiled and imported."""
_COMPILED = getattr(re, '_cache', {})
"""What `re` has compiled, by type, pattern and flags, in the Pythons that there are."""
_CHARM = os.path.join('agents', 'unit', 'charm')
_STANDARD_LIBRARY = os.path.dirname(os.path.realpath(os.__file__)) + os.sep
_NONE_AT_THE_END = ('path', 'argv', 'path_hooks', 'path_importer_cache', 'meta_path')
_BUILTINS = dict(vars(builtins))
_WRITTEN = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom, io.BufferedRWPair)
_TORN_DOWN = ('__main__', 'builtins', 'sys')
_ENVIRONS = (os.environ._data, getattr(sys.modules.get('posix'), 'environ', None))
_ASKED = {}
"""The variables of the environment that modules read on import."""


class UnusableError(Exception):
    """Every hook must import everything itself; the message says why."""


class _NotingEnviron(type(os.environ)):
    def __getitem__(self, key):
        _ASKED[key] = None
        _ASKED[key] = value = super(_NotingEnviron, self).__getitem__(key)
        return value

    def __iter__(self):
        for key in super(_NotingEnviron, self).__iter__():
            self[key]
            yield key


def _is_standard(module):
    """Return whether a module is part of Python: the same for all, wherever it is."""
    file = getattr(module, '__file__', None)
    if not file:
        return not hasattr(module, '__path__')
    file = os.path.realpath(file)
    packages = ('/site-packages/', '/dist-packages/')
    return file.startswith(_STANDARD_LIBRARY) and not any(part in file for part in packages)


class _Missing:
    """The last finder: notes which modules do not exist."""

    def __init__(self):
        self.names = set()

    def find_spec(self, name, path=None, target=None):
        self.names.add(name.partition('.')[0] if path is None else name)


class Preloaded:
    """The modules that were imported, and how to make them those of another unit."""

    def __init__(self, root, large):
        self.root = root + os.sep
        self.modules, self.missing = _import((*_IMPORTS, *large))
        # A namespace such as `charms` depends on the hook's sys.path.
        for name in self.modules:
            del sys.modules[name]
        for name in sorted(self.modules):
            module = self.modules[name]
            if getattr(module, '__file__', None):
                continue
            if hasattr(getattr(module, '__path__', None), '_last_parent_path'):
                module.__path__._last_parent_path = ()  # it is found again when it is asked for
            if name.rpartition('.')[0] not in self.modules:
                del self.modules[name]
        self.modules.pop('charms', None)
        roots = [name for name in self.modules if name.rpartition('.')[0] not in self.modules]
        self.families = {
            root: [name for name in self.modules if name == root or name.startswith(root + '.')]
            for root in roots
        }
        self.standard = {name for name in sys.modules if '.' not in name}
        self._places = {}  # by identity: what has several referrers is found as often
        self._codes = []
        self._defaults = []
        self._paths = []
        self.moves = self._find_places()
        self._kept = {name: it for name, it in sys.modules.items() if name not in _TORN_DOWN}
        self._kept.update(self.modules)
        self._variables = _variables(self.modules.values())

    @property
    def files(self):
        """The digests of the files in the charm that the modules came from."""
        folder = os.path.join(self.root, _CHARM) + os.sep
        found = {}
        for module in self.modules.values():
            path = os.path.join(folder, getattr(module, '__file__', None) or '')
            if path != folder and path.startswith(folder):
                with open(path, 'rb') as file:
                    found[path[len(folder) :]] = hashlib.sha256(file.read()).hexdigest()
        return found

    @property
    def shadowing(self):
        """The files in a charm that would be imported instead of modules from elsewhere."""
        folder = os.path.join(self.root, _CHARM) + os.sep
        found = []
        for name in self.families:
            file = os.path.join(folder, getattr(self.modules[name], '__file__', None) or '')
            if not file.startswith(folder):
                path = os.path.join('lib', *name.split('.'))
                found += [path + '.py', os.path.join(path, '__init__.py')]
        return found

    def parse_documents(self, root):
        """Parse what the hooks of the unit in the folder `root` will, with yaml.safe_load."""
        yaml = self.modules.get('yaml')
        if not hasattr(yaml, 'safe_load'):
            return
        for name in _DOCUMENTS:
            try:
                with open(os.path.join(root, _CHARM, name)) as file:
                    text = file.read()
                if text not in yaml.load.known:
                    yaml.load.known[text] = yaml.safe_load(text)
            except Exception:  # noqa: BLE001, S112 (the hook will see it, if it asks)
                continue

    def _find_places(self):
        """Find what names the unit's folder; return whether all of it can be changed."""
        moves = True
        skipped = {
            id(thing) for thing in (vars(self), sys.path_importer_cache, _ASKED, *_ENVIRONS)
        }
        things = [thing for thing in gc.get_objects() if id(thing) not in skipped]
        while things:
            thing = things.pop()
            kind = type(thing)
            if kind is types.FrameType or id(thing) in skipped:
                continue
            if kind is types.FunctionType:
                if thing.__code__.co_filename.startswith(self.root):
                    self._codes.append(thing.__code__)
                if any(map(self._names, thing.__defaults__ or ())):
                    self._defaults.append(thing)
                    skipped.add(id(thing.__defaults__))
            if isinstance(thing, pathlib.PurePath):
                if self.root in str(thing):
                    self._paths.append(thing)
                continue
            # The garbage collector does not look at keys that are strings.
            named = kind is dict and any(map(self._names, thing))
            for other in gc.get_referents(thing):
                if type(other) is str:
                    named = named or self.root in other
                elif type(other) is bytes:
                    moves = moves and os.fsencode(self.root) not in other
                elif (
                    isinstance(other, (dict, list, tuple, set))
                    and not gc.is_tracked(other)
                    and id(other) not in skipped
                ):
                    things.append(other)
            if named and kind in (dict, list):
                self._places[id(thing)] = thing, self._keys_with_root(thing)
            elif named and kind in (tuple, set, frozenset):
                moves = False
            elif named and hasattr(thing, '__dict__') and kind is not types.FunctionType:
                place = vars(thing)
                self._places[id(place)] = place, self._keys_with_root(place)
        return moves

    def _keys_with_root(self, place):
        """Return the keys in a dictionary, or indexes in a list, of what names the folder."""
        items = place.items() if isinstance(place, dict) else enumerate(place)
        return [key for key, value in items if self._names(key) or self._names(value)]

    def _names(self, thing):
        return type(thing) is str and self.root in thing

    def move(self, root):
        """Make the modules, and the interpreter, those of the unit in the folder `root`."""
        old, new = self.root, root + os.sep
        for folder, finder in list(sys.path_importer_cache.items()):
            # The finder of a folder outside of units notices itself what changes there.
            if finder is None or not folder.startswith(os.sep) or folder.startswith(old):
                del sys.path_importer_cache[folder]
        if old == new:
            return
        for name in ('executable', 'prefix', 'exec_prefix'):
            setattr(sys, name, getattr(sys, name).replace(old, new))
        for place, keys in self._places.values():
            for key in keys:
                if self._names(place[key]):
                    place[key] = place[key].replace(old, new)
                if self._names(key):
                    place[key.replace(old, new)] = place.pop(key)
        for path in self._paths:
            moved = type(path)(str(path).replace(old, new))
            for slot in _slots(type(path)):
                try:
                    slot.__set__(path, slot.__get__(moved))
                except AttributeError:  # it is not set yet, as what is computed on demand
                    with contextlib.suppress(AttributeError):
                        slot.__delete__(path)
        for function in self._defaults:
            function.__defaults__ = tuple(
                value.replace(old, new) if type(value) is str else value
                for value in function.__defaults__
            )
        for code in self._codes:
            if code.co_filename.startswith(old):
                _imp._fix_co_filename(code, new + code.co_filename[len(old) :])

    def keep(self):
        """Keep the modules from being torn down with the hook, which takes as long as all.

        What a hook has put into them is released, as by an interpreter at its end.
        """
        for namespace, name, original in self._variables:
            if namespace.get(name) is not original:
                namespace[name] = original
        for name, module in self._kept.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]

    def suits(self, request):
        """Return whether a hook would import the same, as far as can be told before."""
        new = request['root'] + os.sep
        for name, value in _ASKED.items():
            if request['environ'].get(name) != (value and value.replace(self.root, new)):
                return False
        charm = os.path.join(new, _CHARM)
        for folder in {os.path.join(charm, 'lib'), os.path.dirname(request['script'])}:
            for entry in os.listdir(folder) if os.path.isdir(folder) else ():
                name, dot, _ = entry.partition('.')
                if name in self.missing or (
                    name in self.standard
                    and (dot or os.path.exists(os.path.join(folder, entry, '__init__.py')))
                ):
                    return False
        return True


def _slots(kind):
    """Return the slots of a class; since Python 3.13, a property may hide one of a path's."""
    return [
        member
        for base in kind.__mro__
        for member in vars(base).values()
        if isinstance(member, types.MemberDescriptorType)
    ]


def _variables(modules):
    """Return the global variables that functions of the modules change, with their values."""
    change = dis.opmap['STORE_GLOBAL']
    namespaces = {id(vars(module)) for module in modules}
    found = []
    for thing in gc.get_objects():
        if type(thing) is types.FunctionType and id(thing.__globals__) in namespaces:
            code = thing.__code__
            if change in code.co_code[::2]:
                stored = {ins.argval for ins in dis.Bytecode(code) if ins.opcode == change}
                found += [
                    (thing.__globals__, name, thing.__globals__.get(name)) for name in stored
                ]
    return found


def _import(names):
    """Import modules; return those that are not Python's, by name, and what was missing.

    Raises UnusableError.
    """
    started = []
    before = set(sys.modules)
    missing = _Missing()
    environ = os.environ.__class__
    charm_unit_hook.note_with(started.append)
    os.environ.__class__ = _NotingEnviron
    sys.meta_path.append(missing)
    sys.path.insert(0, 'lib')  # as in a hook of a charm on layer:caas-base
    try:
        for name in names:
            try:
                importlib.import_module(name)
            except ImportError:
                continue
        _ask_inspect()
    except BaseException as error:
        raise UnusableError('{} cannot be imported: {!r}'.format(name, error)) from error
    finally:
        del sys.path[0]
        sys.meta_path.remove(missing)
        os.environ.__class__ = environ
        charm_unit_hook.note_with(None)
    sys.stdout.flush()
    sys.stderr.flush()
    if started:
        raise UnusableError('an import starts {}'.format(started[0]))
    if threading.active_count() > 1:
        raise UnusableError('an import starts a thread')
    if os.fstat(1).st_size:
        raise UnusableError('an import prints')
    modules = {name: sys.modules[name] for name in set(sys.modules) - before}
    return (
        {name: module for name, module in modules.items() if not _is_standard(module)},
        missing.names,
    )


def _ask_inspect():
    """Let inspect look up the files of all modules: layer:status asks for them in each hook."""
    inspect = sys.modules.get('inspect')
    if inspect is None:
        return
    with contextlib.suppress(Exception):  # a module that imports something when it is looked at
        inspect.getmodule(compile('', 'of no module', 'exec'))
    for file, name in list(inspect.modulesbyfile.items()):
        if name == '__main__':  # this file, which is no module in a hook: it would look for one
            inspect.modulesbyfile[file] = charm_unit_hook.__name__


class _Finder:
    """Finds what was imported, if all of it is where the hook's own sys.path leads."""

    def __init__(self, modules, families):
        self._modules = modules
        self._families = families
        self._verified = False

    def find_spec(self, name, path=None, target=None):
        if name not in self._families:
            return None
        if not self._verified:
            without_parent = [root for root in self._families if '.' not in root]
            self._verified = all(map(self._is_found, without_parent))
            if self._verified:
                for root in without_parent:
                    self._give(root)
        if not self._verified or not self._is_found(name, path):
            sys.meta_path.remove(self)  # it imports all of it itself
            return None
        self._give(name)
        if all(root in sys.modules for root in self._families):
            sys.meta_path.remove(self)
        del sys.modules[name]  # else it would be executed again
        return importlib.util.spec_from_loader(name, _Loader(self._modules[name]))

    def _is_found(self, name, path=None):
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        return spec is not None and spec.origin == self._modules[name].__file__

    def _give(self, root):
        for name in self._families[root]:
            sys.modules[name] = self._modules[name]


class _Loader:
    """Gives a module that was imported already."""

    def __init__(self, module):
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec):
        return self._module

    def exec_module(self, module):
        module.__spec__ = self._spec


def _write_report(root, compiled, modules):
    """Write what a hook has compiled and imported, and the process that forks has not."""
    report = {
        'patterns': [key[1:] for key in list(_COMPILED) if key not in compiled and key[0] is str],
        'imported': [name for name in _LARGE if name in sys.modules and name not in modules],
    }
    if any(report.values()):
        with contextlib.suppress(OSError), open(os.path.join(root, _REPORT), 'w') as file:
            json.dump(report, file)


def _take_report(root):
    """Return the report of a hook of the unit in the folder `root`, and remove its file."""
    path = os.path.join(root, _REPORT)
    try:
        with open(path) as file:
            os.unlink(path)
            return json.load(file)
    except (OSError, ValueError):  # nothing; or it was killed
        return {'patterns': [], 'imported': []}


_exit_code = None
"""A hook's exit code, if there is nothing else to tell; with None, the interpreter ends it."""


def _end():
    """End the process of a hook, which has run all of its script and its exit handlers.

    The interpreter would release all that it has, and copy the memory that it shares with the
    process that forks hooks. Of that, only what the hook's own objects do can be noticed.
    """
    if _exit_code is None or _thread._count():  # other threads would see what is released
        return
    atexit._clear()
    try:
        # Not in a loop, whose variable would keep one of them.
        if not getattr(sys.stdout, 'closed', False):
            sys.stdout.flush()
        if not getattr(sys.stderr, 'closed', False):
            sys.stderr.flush()
    except Exception:  # noqa: BLE001 (the interpreter says so, in its own words)
        return
    try:
        _release()
    finally:
        os._exit(_exit_code)


def _release():
    """Release all objects of a hook, in the order in which an interpreter does at its end."""
    gc.collect()
    own = [
        module
        for name, module in sys.modules.items()
        if isinstance(module, types.ModuleType) and name not in ('sys', 'builtins')
    ]
    modules, namespaces = list(map(weakref.ref, own)), {id(vars(module)) for module in own}
    del own
    for name in _NONE_AT_THE_END:
        setattr(sys, name, None)
    for name in ('stdin', 'stdout', 'stderr'):
        setattr(sys, name, getattr(sys, '__{}__'.format(name)))
    for name in set(vars(builtins)).difference(_BUILTINS):
        delattr(builtins, name)
    vars(builtins).update(_BUILTINS)
    sys.modules.clear()
    gc.collect()
    for reference in reversed(modules) if sys.version_info >= (3, 8) else modules:
        module = reference()
        if module is not None:
            _clear(vars(module))
            del module
    _clear(vars(sys))
    # What is held by what all hooks share, which the interpreter would release, too.
    for thing in gc.get_objects():
        if type(thing) is dict and id(thing) in namespaces and '__builtins__' in thing:
            _clear(thing)
    gc.collect()
    for thing in gc.get_objects():
        if type(thing) in _WRITTEN:
            with contextlib.suppress(Exception):
                thing.flush()


def _clear(namespace):
    """Set all names of a module to None, first those that begin with one underscore."""
    for private in (True, False):
        for name in list(namespace):
            if name != '__builtins__' and (not private or name[:1] == '_' != name[1:2]):
                namespace[name] = None


def _set_environ(environ):
    if list(os.environ) != list(environ):  # in their order, too
        os.environ.clear()
    for name, value in environ.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _become(preloaded, request, output, reply):
    """Be the process of a hook, until it has run its script."""
    global _exit_code
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(request['folder'])
    reply.sendall('{}\n'.format(os.getpid()).encode())
    reply.detach()
    for descriptor in os.listdir('/proc/self/fd'):
        if int(descriptor) > 2:
            with contextlib.suppress(OSError):  # of that of the listing
                os.close(int(descriptor))
    environ = request['environ']
    script = request['script']
    if not preloaded.suits(request):
        os.execve(request['python'], [request['python'], script], environ)  # noqa: S606
    _set_environ(environ)
    preloaded.move(request['root'])
    sys.argv[:] = [script]
    if hasattr(sys, 'orig_argv'):
        sys.orig_argv[:] = [request['python'], script]
    sys.path[0] = os.path.dirname(os.path.realpath(script))
    sys.meta_path.insert(0, _Finder(preloaded.modules, preloaded.families))
    charm_unit_hook.prepare()
    main = types.ModuleType('__main__')
    main.__file__ = script
    main.__builtins__ = __builtins__
    main.__loader__ = importlib.machinery.SourceFileLoader('__main__', script)
    for name, value in (('__annotations__', {}), ('__cached__', None)):
        if name in globals():  # in some versions of Python
            setattr(main, name, value)
    sys.modules['__main__'] = main
    with open(script, 'rb') as file:
        source = file.read()
    try:
        exec(compile(source, script, 'exec', dont_inherit=True), main.__dict__)  # noqa: S102
        _exit_code = 0
    except SystemExit as error:
        if error.code is None or type(error.code) is int and 0 <= error.code <= 255:
            _exit_code = error.code or 0
        raise
    except BaseException as error:
        traceback = error.__traceback__
        while traceback and traceback.tb_frame.f_code.co_filename == __file__:
            traceback = traceback.tb_next
        for stream in (sys.stderr, sys.stdout):  # as the interpreter does before it prints
            stream.flush()
        sys.excepthook(type(error), error.with_traceback(traceback), traceback)
        sys.excepthook = lambda *_: None  # it has been printed; the exit code is still to come
        raise


def _serve(control, preloaded):
    """Fork for each hook, and tell how it ended; return what a forked process is to run."""
    replies = {}
    ended, end = os.pipe()
    for descriptor in (ended, end):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(end)
    while True:
        ready, _, _ = select.select([control, ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            _tell_ends(replies)
        if control not in ready:
            continue
        size = array.array('i').itemsize
        message, ancillary, _, _ = control.recvmsg(1 << 20, socket.CMSG_SPACE(2 * size))
        if not message:  # no more hooks; those that run are told about until the last one ends
            control.close()
            while replies:
                select.select([ended], [], [])
                os.read(ended, 4096)
                _tell_ends(replies)
            os._exit(0)
        request = json.loads(message.decode())
        preloaded.parse_documents(request['root'])
        descriptors = array.array('i')
        descriptors.frombytes(ancillary[0][2][: 2 * size])
        output, answer = descriptors
        reply = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=answer)
        child = os.fork()
        if not child:
            control.detach()
            return request, output, reply
        os.close(output)
        replies[child] = reply, request['root']


def _tell_ends(replies):
    while replies:
        child, status, usage = os.wait4(-1, os.WNOHANG)
        if not child:
            return
        reply, root = replies.pop(child)
        report = _take_report(root)
        with reply:
            answer = {'status': status, 'cpu': usage.ru_utime + usage.ru_stime}
            answer['imported'] = report['imported']
            with contextlib.suppress(OSError):  # if nobody waits for it
                reply.sendall(json.dumps(answer).encode())
        for pattern, flags in report['patterns']:
            # One that warns shall do so in each hook.
            with contextlib.suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter('error')
                re.compile(pattern, flags)


def main():
    """Import, serve, and be a hook in each process that is forked."""
    ends = []
    atexit.register(lambda: [end() for end in ends])  # the first that is registered runs last
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=int(sys.argv[1]))
    root = sys.argv[2]
    sys.path[0] = os.path.join(root, _CHARM, 'hooks')
    try:
        preloaded = Preloaded(root, sys.argv[3:])
    except UnusableError as error:
        control.sendall(json.dumps({'unusable': str(error)}).encode())
        return
    known = {name: getattr(preloaded, name) for name in ('files', 'shadowing', 'moves')}
    control.sendall(json.dumps(known).encode())
    if hasattr(gc, 'freeze'):  # since Python 3.7; what is frozen and in a cycle is never freed
        kept = [preloaded]
        kept.append(kept)
        ends += [preloaded.keep, _end]
        gc.freeze()
    request, output, reply = _serve(control, preloaded)
    compiled = set(_COMPILED)
    report = functools.partial(_write_report, request['root'], compiled, preloaded.modules)
    ends.insert(0, report)
    _become(preloaded, request, output, reply)


if __name__ == '__main__':
    main()
