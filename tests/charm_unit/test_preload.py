"""A hook that shares what it imports is what a hook in a new interpreter is."""

import re
import shutil
import signal

import pytest

import charm_unit
from charm_unit._unit import preload

_HOOK = '#!/usr/bin/env python3\nimport sys\nsys.path.insert(0, "lib")\n'
_SHARED = {
    'lib/yaml/__init__.py': '__version__ = "6.0"\nload = load_all = None\nFullLoader = None\n',
    'lib/charmhelpers/__init__.py': '',
    'lib/charmhelpers/core/__init__.py': '',
    'lib/charmhelpers/core/hookenv.py': """
import os
import pathlib
import time

imported = time.time()

HERE = pathlib.Path(__file__).parent
hash(HERE), str(HERE)
PATHS = {'a': [__file__], __file__: {'b': (1, 2)}}
FILE = __file__
cache = {}
taken = None


def take(value):
    global taken
    taken = value


def default(file=__file__, number=1):
    return file


def fail():
    raise ValueError('on purpose')
""",
    'lib/charms/reactive/__init__.py': 'from charmhelpers.core import hookenv\n',
    'lib/charms/layer/__init__.py': '',
}


@pytest.fixture
def units(charm, tmp_path, monkeypatch):
    """A function that makes two units of a charm with these files: one shares, one does not.

    The one that shares is the second of its charm: the first has imported what is shared.
    """

    monkeypatch.setattr(preload, '_imported', {})

    def make(files=None, juju='2.9'):
        built = charm({'update-status': ''})
        for folder in ('charmhelpers', 'charms', 'yaml'):
            shutil.rmtree(built / 'lib' / folder)
        for name, text in {**_SHARED, **(files or {})}.items():
            if text is not None:
                (built / name).parent.mkdir(parents=True, exist_ok=True)
                (built / name).write_text(text)
        first = charm_unit.Unit(built, tmp_path / 'first', deploy=False)
        _run(first, 'pass')
        shutil.copytree(built, tmp_path / 'again' / 'charm')
        return [
            charm_unit.Unit(
                tmp_path / 'again' / 'charm',
                tmp_path / name,
                deploy=False,
                preload=name == 'on',
                juju=juju,
            )
            for name in ('on', 'off')
        ]

    return make


def _run(unit, script, hook='update-status'):
    file = unit.charm / 'hooks' / hook
    file.write_text(_HOOK + script + '\n')
    file.chmod(0o755)
    (run,) = unit.run(hook, check=False)
    return run


_SHARES = 'print("shares", "charm_unit_preload.py" in open("/proc/self/cmdline").read())\n'


def _both(units, script):
    """Run a script in both units; return what is the same in both, as text, and the exit code."""
    on, off = units
    assert _run(on, _SHARES).output == 'shares True\n'
    assert _run(off, _SHARES).output == 'shares False\n'
    found = []
    for unit in units:
        run = _run(unit, script)
        output = run.output.replace(str(unit.folder), '/UNIT')
        output = re.sub(r'0x[0-9a-f]+', '0x', output)
        found.append((output, run.exit_code, run.processes, run.status_before))
    assert found[0] == found[1]
    return found[0][:2]


_DIES = (
    'class Dies:\n'
    ' def __init__(self, name): self.name = name\n'
    ' def __del__(self, print=print): print(self.name, sys and sys.modules is not None)\n'
)
_IMPORT = 'import yaml\nfrom charmhelpers.core import hookenv\nimport charms.reactive\n'


@pytest.mark.parametrize(
    ('script', 'code'),
    [
        ('import os; print(sys.argv, os.getcwd(), sorted(os.environ.items()))', 0),
        ('import os; print(sys.executable, sys.prefix, sys.exec_prefix, sys.path)', 0),
        ('print(sys.orig_argv if hasattr(sys, "orig_argv") else None)', 0),
        ('import os; print(os.getsid(0) == os.getpgid(0) == os.getpid(), os.listdir("."))', 0),
        ('print(repr(sys.stdin.read()), sys.stdin.fileno())', 0),
        ('print(sys.stdout.encoding, sys.stdout.line_buffering, sys.stdout.tell())', 0),
        ('import os; print("a"); os.system("echo b"); print("c", file=sys.stderr)', 0),
        ('print("x" * 100000)', 0),
        ('import __main__; print(sorted(vars(__main__)), __name__, __file__, __spec__)', 0),
        ('print(__package__, __loader__, __builtins__, __doc__)', 0),
        ('import os; print(sorted(os.listdir("/proc/self/fd")))', 0),
        ('import signal; print([signal.getsignal(s) for s in sorted(signal.valid_signals())])', 0),
        ('import signal; print(signal.set_wakeup_fd(-1), signal.pthread_sigmask(0, []))', 0),
        ('import threading; print(threading.enumerate()[0].name, threading.active_count())', 0),
        ('import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE))', 0),
        ('sys.exit(3)', 3),
        ('sys.exit("a reason")', 1),
        ('sys.exit()', 0),
        ('raise SystemExit(None)', 0),
        ('import os; os._exit(4)', 4),
        ('import os; print("lost"); os._exit(4)', 4),
        ('import os, signal; os.kill(os.getpid(), signal.SIGTERM)', -signal.SIGTERM),
        ('import os, signal; os.kill(os.getpid(), signal.SIGINT)', -signal.SIGINT),
        ('raise KeyboardInterrupt', -signal.SIGINT),
        ('raise ValueError("wrong")', 1),
        ('import os\ntry: 1/0\nexcept Exception as e: raise OSError("x") from e', 1),
        ('def f(): g()\ndef g(): raise KeyError("deep")\nf()', 1),
        ('this is no Python', 1),
        ('sys.excepthook = lambda *a: print("hooked", a[0]); 1/0', 1),
        ('import traceback\ntry: 1/0\nexcept Exception: traceback.print_exc()', 0),
        ('import atexit; atexit.register(print, 1); atexit.register(print, 2)', 0),
        ('import atexit; atexit.register(print, 1); raise SystemExit(5)', 5),
        ('import atexit; atexit.register(print, 1); 1/0', 1),
        (
            'import threading, time\n'
            'threading.Thread(target=lambda: [time.sleep(0.2), print("late")]).start()',
            0,
        ),
        ('import os\nos.fork() or os._exit(0)\nprint(os.wait()[1])', 0),
        ('import subprocess; subprocess.run(["sh", "-c", "echo $0 $JUJU_UNIT_NAME"])', 0),
        ('import os; os.execv("/bin/echo", ["echo", "replaced"])', 0),
        ('f = open("left-open", "w"); f.write("flushed")', 0),
        (_IMPORT + 'print(hookenv.FILE, hookenv.__spec__, hookenv.__file__)', 0),
        (_IMPORT + 'print(hookenv.HERE, hookenv.HERE / "a", hookenv.HERE.parts[-5:])', 0),
        (_IMPORT + 'print(hookenv.PATHS, hookenv.default())', 0),
        (_IMPORT + 'print(charms.reactive.hookenv is hookenv, charms.__path__)', 0),
        (_IMPORT + 'print(sys.modules["charmhelpers"].__path__, yaml.__spec__)', 0),
        (_IMPORT + 'print([m for m in sys.meta_path if "charm_unit_preload" in repr(m)])', 0),
        (_IMPORT + 'hookenv.fail()', 1),
        (_IMPORT + 'import inspect; print(inspect.getsourcefile(hookenv.fail))', 0),
        (_IMPORT + 'print(hookenv.take.__code__.co_filename)', 0),
        (
            _IMPORT + 'class Dies:\n    def __del__(self, p=print): p("gone")\n'
            'hookenv.take(Dies())',
            0,
        ),
        ('sys.exit(256)', 0),
        ('sys.exit(-1)', 255),
        ('sys.exit(True)', 1),
        ('import os; os.close(1); print("lost")', 120),
        ('sys.stdout.close()', 0),
        ('sys.stdout = None', 0),
        ('import io; sys.stdout = io.StringIO(); print("lost")', 0),
        ('import weakref; weakref.finalize(sys.stdin, print, "finalized")', 0),
        (
            'import threading, time\n'
            'threading.Thread(target=time.sleep, args=[9], daemon=True).start()',
            0,
        ),
        (
            'def f():\n try: yield\n finally: print("left", sys is None, print)\ng = f(); next(g)',
            0,
        ),
        (_DIES + 'a = Dies("a"); _b = Dies("b"); __c = Dies("c"); sys.exit(7)', 7),
        (_DIES + 'a = Dies("a"); a.a = a; b = [Dies("b")]; b.append(b)', 0),
        (_DIES + 'def f(it=Dies("default")): pass\nsys.kept = Dies("in sys")', 0),
        (_DIES + 'import atexit; atexit.register(print, Dies("at exit"))', 0),
        (_DIES + 'sys.modules["own"] = own = type(sys)("own"); own.a = Dies("in a module")', 0),
        (_DIES + 'a = Dies("a"); raise ValueError("wrong")', 1),
        ('class Fails:\n def __del__(self): import os; print(sys, os)\na = Fails()', 0),
        ('class Fails:\n def __del__(self): 1 / 0\na = Fails(); a.a = a', 0),
        ('import yaml, os; print(yaml.__file__, "charms" in sys.modules)', 0),
        ('import json; print(json.__name__); import charm_unit_nothing', 1),
    ],
)
def test_a_hook_is_the_same(units, script, code):
    assert _both(units(), script)[1] == code


_LEFT = 'def left(name="left"):\n f = open(name, "w"); f.write("data"); return f\n'
_STREAM = (
    'class Stream:\n'
    ' def flush(self): pass\n'
    ' def write(self, text): pass\n'
    ' def __del__(self, os=__import__("os")): os.write(2, b"gone\\n")\n'
)


@pytest.mark.parametrize(
    'script',
    [
        'all = [left("left%d" % n) for n in range(8)]',
        'all = [left("left%d" % n) for n in range(8)]\n'
        'import atexit; atexit.register(lambda: [f.write("more") for f in all])',
        'sys.log = left()',
        'import builtins; builtins.log = left()',
        'import builtins; log = left()\n'
        'def noting(*a, _open=open, **k): log.write(str(a)); return _open(*a, **k)\n'
        'builtins.open = noting; open("left-too", "w").close()',
        'class Hook:\n def __init__(self): self.file = left()\n def __call__(self, *_): pass\n'
        'sys.excepthook = Hook()',
        'hookenv.log = left()',
        'hookenv.cache["file"] = left()',
        'hookenv.cache[left] = f = left()\nhookenv.cache["f"] = lambda: f.write("more")',
        _STREAM + 'a = Stream(); hookenv.cache["handler"] = lambda: a',
        'import signal; log = left(); signal.signal(signal.SIGTERM, lambda *_: log.write("more"))',
        'import contextvars; v = contextvars.ContextVar("v"); v.set(left())',
        'import threading; v = threading.local(); v.file = left()',
        'sys.stderr = left()',
        'import io; sys.stdout = io.TextIOWrapper(sys.stdout.detach(), "utf8"); print("hello")',
        _STREAM + _DIES + 'a = Dies("a"); sys.stdout = Stream()',
        _STREAM + _DIES + 'a = Dies("a"); sys.stderr = Stream()',
        _DIES
        + 'for n in "xyz":\n m = type(sys)("m" + n); m.d = Dies(n); sys.modules[m.__name__] = m\n'
        'sys.all = [sys.modules["m" + n] for n in "xyz"]; del m',
        'import logging\n'
        'class Handler(logging.StreamHandler):\n'
        ' def __del__(self, print=print): print("gone")\n'
        'logging.getLogger().addHandler(Handler(sys.stdout)); logging.warning("hi")',
        'import multiprocessing as m\n'
        'p = m.get_context("fork").Pool(2); print(p.map(abs, [-1, 2]))',
        'import concurrent.futures as c; e = c.ThreadPoolExecutor(2); e.submit(print, "x")',
        'import asyncio as a; loop = a.new_event_loop(); loop.run_until_complete(a.sleep(0))',
        'import subprocess; p = subprocess.Popen(["true"], stdin=subprocess.PIPE); p.wait()',
        'import dbm.dumb, shelve; s = shelve.Shelf(dbm.dumb.open("left")); s["a"] = 1',
        'import zipfile; z = zipfile.ZipFile("left.zip", "w")\n'
        'z.writestr(zipfile.ZipInfo("a"), "b")',
        'import tempfile; t = tempfile.NamedTemporaryFile(dir=".", prefix="left")',
        'import os\nif not os.fork(): print("child"); sys.exit(3)\nprint(os.wait()[1])',
    ],
)
def test_what_a_hook_leaves_at_its_end_is_the_same(units, script):
    both = units()
    _both(both, _IMPORT + _LEFT + script)
    found = []
    for unit in both:
        found.append({path.name: path.read_bytes() for path in unit.charm.glob('left*')})
    assert found[0] == found[1]


def test_what_names_the_folder_in_two_modules_names_that_of_the_next_unit(units):
    hookenv = _SHARED['lib/charmhelpers/core/hookenv.py'] + 'NAMES = {__file__: "x"}\n'
    reactive = (
        'from charmhelpers.core import hookenv\nfrom charmhelpers.core.hookenv import NAMES\n'
    )
    files = {'lib/charmhelpers/core/hookenv.py': hookenv}
    files['lib/charms/reactive/__init__.py'] = reactive
    _both(units(files), _IMPORT + 'print(hookenv.NAMES, charms.reactive.NAMES)')


_SAFE = 'import yaml\ndef load(): return yaml.safe_load(open("metadata.yaml"))\n'


@pytest.mark.parametrize(
    'script',
    [
        'first = load(); first["name"] = "changed"; print(load())',
        'file = open("metadata.yaml"); yaml.safe_load(file); print(repr(file.read()))',
        'print(yaml.load(open("metadata.yaml").read(), yaml.SafeLoader))',
        'print(yaml.load(open("metadata.yaml"), Loader=yaml.SafeLoader))',
        'print(yaml.load(open("metadata.yaml"), yaml.BaseLoader), yaml.safe_load("[1, a]"))',
        'file = open("metadata.yaml"); file.readline(); print(yaml.safe_load(file))',
        'open("metadata.yaml", "a").write("more: 1\\n"); print(load())',
        'open("metadata.yaml", "w").write("a: [\\n"); load()',
        'yaml.SafeLoader.add_constructor("tag:yaml.org,2002:str", lambda *_: 1); print(load())',
        'yaml.SafeLoader.construct_object = lambda *_, **__: "mine"; print(load())',
        'import inspect; print(inspect.getmodule(inspect.currentframe()), inspect.stack()[0][1:])',
        'import inspect; print(inspect.getmodule(yaml.load.__code__).__name__ != "__main__")',
    ],
)
def test_what_is_known_of_yaml_and_of_modules_changes_nothing(units, script):
    both = units({'lib/yaml/__init__.py': None})
    assert [_run(unit, _SAFE + 'print(len(yaml.load.known) > 0)').output for unit in both] == [
        'True\n',
        'False\n',
    ]
    _both(both, _SAFE + script)


def test_a_charm_with_a_module_of_its_own_shares_what_it_imports_though_one_without_it_does(units):
    on, _ = units({'lib/yaml/__init__.py': None})
    _run(on, 'pass')
    own = on.folder / 'agents' / 'unit' / 'charm' / 'lib' / 'yaml' / '__init__.py'
    own.parent.mkdir(exist_ok=True)
    own.write_text(_SHARED['lib/yaml/__init__.py'])
    script = 'import yaml\nfrom charmhelpers.core import hookenv\nprint(hookenv.imported)'
    first, second = (float(_run(on, script).output) for _ in range(2))
    assert first == second


def test_the_environment_is_that_of_the_hook_and_not_of_the_one_that_began(units):
    script = 'import os; print(list(os.environ.items())); sys.stdout.flush(); os.system("env")'
    output, code = _both(units(juju='2.7'), script)
    assert code == 0
    assert "('JUJU_HOOK_NAME', 'update-status')" in output
    assert 'JUJU_DISPATCH_PATH' not in output


def test_a_folder_that_appears_on_the_search_path_is_found(units, tmp_path):
    later = tmp_path / 'later'
    files = {
        'lib/charms/reactive/__init__.py': f'import sys\nsys.path.append({str(later)!r})\n'
        'try:\n    import not_yet_there\nexcept ImportError:\n    pass\n'
    }
    made = units(files)
    later.mkdir()
    (later / 'there_now.py').write_text('')
    assert _both(made, 'import charms.reactive, there_now')[1] == 0


def test_nothing_of_a_hook_is_left_in_the_next(units):
    on, _ = units()
    script = _IMPORT + 'print(hookenv.cache, hookenv.taken)\nhookenv.cache[1] = 2\nhookenv.take(3)'
    assert [_run(on, _IMPORT + script).output for _ in range(2)] == ['{} None\n'] * 2


@pytest.mark.parametrize('name', ['yaml', 'charmhelpers.core.hookenv', 'charms.reactive'])
def test_what_is_shared_is_imported_once(units, name):
    files = {f'lib/{name.replace(".", "/")}/part.py': '', 'lib/charms/reactive/space/part.py': ''}
    module = f'lib/{name.replace(".", "/")}/__init__.py'
    code = f'import time\nfrom {name} import part\nimported = time.time()\n'
    if name == 'charms.reactive':
        code += 'import charms.reactive.space.part\n'
    files |= {module: code, 'lib/charmhelpers/core/hookenv.py': None} | {module: code}
    if not name.startswith('charmhelpers'):
        files['lib/charmhelpers/core/hookenv.py'] = _SHARED['lib/charmhelpers/core/hookenv.py']
    for unit, times in zip(units(files), (1, 2), strict=True):
        script = f'import {name}; print(repr({name}.part), {name}.imported)'
        found = {_run(unit, script).output for _ in range(2)}
        assert len(found) == times
        assert all(str(unit.charm) in output for output in found)


def test_regular_expressions_that_a_hook_compiled_are_compiled_in_the_next(units):
    script = (
        'import re\nprint((str, "a[b-z]", re.I.value) in re._cache)\nre.compile("a[b-z]", re.I)'
    )
    for unit, known in zip(units(), (True, False), strict=True):
        outputs = [_run(unit, script).output for _ in range(3)]
        assert outputs == ['False\n', f'{known}\n', f'{known}\n']
        assert not (unit.folder / 'report').exists()


@pytest.mark.parametrize('name', ['requests', 'urllib3'])
def test_a_large_module_is_shared_once_a_hook_has_imported_it(units, name):
    files = {f'lib/{name}/__init__.py': 'import time\nimported = time.time()\n'}
    for unit, shares in zip(units(files), (True, False), strict=True):
        without = [_run(unit, f'print({name!r} in sys.modules)').output for _ in range(2)]
        assert without == ['False\n'] * 2
        first, *others = [
            _run(unit, f'import {name}; print({name}.__file__, {name}.imported)').output
            for _ in range(4)
        ]
        assert str(unit.charm) in first
        assert len({first, *others}) == (2 if shares else 4)
        assert (len(set(others)) == 1) is shares
    newest = preload._servers[-1]
    assert newest.imported == {name}
    servers = [s for s in preload._servers if s.environment == newest.environment]
    assert [s for s in servers if s.imported <= newest.imported] == [newest]  # no older one


def test_a_regular_expression_that_cannot_be_compiled_again_is_left_to_the_hooks(units):
    on, _ = units()
    script = 'import re; sys.setrecursionlimit(20000); re.compile("(" * 600 + ")" * 600)'
    assert [_run(on, f'{script}\n{_SHARES}').output for _ in range(2)] == ['shares True\n'] * 2


def test_a_regular_expression_warns_in_each_hook(units):
    script = 'import re, warnings; warnings.simplefilter("always"); re.compile("[[a]")'
    for unit in units():
        assert all('FutureWarning' in _run(unit, script).output for _ in range(2))


def test_what_a_hook_left_open_is_written_at_its_end(units):
    for unit in units():
        _run(unit, _IMPORT + 'hookenv.take(open("left-open", "w"))\nhookenv.taken.write("x")')
        assert (unit.charm / 'left-open').read_text() == 'x'


def test_the_charms_own_modules_are_imported_in_each_hook(units):
    on, _ = units({'lib/charms/layer/own.py': 'value = 1\n'})
    script = _IMPORT + 'from charms.layer import own; print(own.value)'
    assert _run(on, script).output == '1\n'
    (on.charm / 'lib/charms/layer/own.py').write_text('value = 22\n')
    assert _run(on, script).output == '22\n'


def test_a_changed_file_is_imported_as_it_is_now(units):
    on, _ = units()
    (on.charm / 'lib/charmhelpers/core/hookenv.py').write_text('FILE = "another"\n')
    assert _run(on, _IMPORT + 'print(hookenv.FILE)').output == 'another\n'


def test_what_shadows_a_module_of_python_is_imported(units):
    units = units({'lib/json.py': 'mine = True\n', 'hooks/queue.py': 'mine = True\n'})
    for unit in units:
        assert _run(unit, 'import json, queue; print(json.mine, queue.mine)').output == (
            'True True\n'
        )


def test_where_the_search_path_leads_elsewhere_that_is_imported(units):
    for unit in units({'other/charmhelpers/__init__.py': 'mine = True\n'}):
        script = 'sys.path.insert(0, "other"); import charmhelpers; print(charmhelpers.mine)'
        assert _run(unit, script).output == 'True\n'


@pytest.mark.parametrize('value', ['os.fsencode(__file__)', '(__file__,)'])
def test_what_cannot_be_moved_to_another_unit_is_not_shared_with_it(units, value):
    text = f'import os\nimported = os.getpid()\nvalue = [{value}]\n'
    units = units({'lib/yaml/__init__.py': text})
    for unit in units:
        run = _run(unit, 'import yaml, os; print(yaml.value, yaml.imported == os.getpid())')
        assert str(unit.charm) in run.output
        assert run.output.endswith(f'{unit is units[1]}\n')


@pytest.mark.parametrize(
    'import_',
    [
        'import subprocess; subprocess.call(["true"])',
        'print("imported")',
        'import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()',
        'raise ValueError',
    ],
)
def test_an_import_that_does_something_is_left_to_each_hook(units, import_):
    on, _ = units({'lib/yaml/__init__.py': import_ + '\n'})
    assert _run(on, _SHARES).output == 'shares False\n'


def test_an_import_that_depends_on_the_hook_is_done_in_it(units):
    files = {'lib/yaml/__init__.py': 'import os\nname = os.environ.get("JUJU_HOOK_NAME")\n'}
    on, _ = units(files)
    script = 'import yaml; print(yaml.name)'
    assert _run(on, script, 'config-changed').output == 'config-changed\n'
    assert _run(on, script).output == 'update-status\n'


def test_an_interpreter_with_arguments_of_its_own_is_a_new_one(units):
    on, _ = units()
    file = on.charm / 'hooks' / 'update-status'
    file.write_text('#!/usr/bin/python3 -u\nimport sys\n' + _SHARES)
    assert on.run('update-status')[0].output == 'shares False\n'


def test_a_hook_that_hangs_is_stopped_with_what_it_started(units, tmp_path):
    on, _ = units()
    on._agent.timeout = 1
    run = _run(
        on, 'import subprocess; print("so far", flush=True); subprocess.run(["sleep", "60"])'
    )
    assert (run.timed_out, run.exit_code, run.output) == (True, -signal.SIGKILL, 'so far\n')


def test_a_hook_with_a_dead_server_is_a_new_interpreter(units):
    from charm_unit._unit import preload

    on, _ = units()
    assert _run(on, _SHARES).output == 'shares True\n'
    for server in preload._servers:
        server._process.kill()
        server._process.wait()
    assert _run(on, 'print(1)').output == '1\n'


def test_random_numbers_of_two_hooks_differ(units):
    on, _ = units({'lib/yaml/__init__.py': 'import random\n'})
    script = 'import random; print(random.random())'
    assert _run(on, script).output != _run(on, script).output


def test_processes_are_recorded(units):
    for unit in units():
        run = _run(unit, 'import subprocess; subprocess.run(["true", "a b"])')
        assert run.processes == [['true', 'a b']]
