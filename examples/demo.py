"""Run the hooks of the README's example charm in a simulated Juju unit.

Builds examples/charms/my-charm with the real `charm build`, does to a unit of it what an operator
does, and shows what each hook changed: flags (+ set, - cleared, ± set and cleared), status and
pod spec. At the end, the unit is upgraded to a release of the charm with the option verify-image,
which asks a registry on this machine. Exits with 1 if a hook does something other than expected.

With --svg, it also draws the picture in the README: five of the scenes, with only the hooks that
changed something; and again for small screens, with less on a line.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import http.server
import pathlib
import shutil
import sys
import tempfile
import threading
import time

import rich.console
import rich.padding
import rich.rule
import rich.text

import charm_unit
from charm_unit._commands import display
from support import building, terminal_picture

_CHARM = building.ROOT / 'examples' / 'charms' / 'my-charm'
_PICTURE = building.ROOT / 'docs' / 'demo.svg'
_NARROW = 48  # columns, of which a small screen shows all in letters that can be read
_RESOURCE = 'my-resource'
_PREFIX = f'layer.docker-resource.{_RESOURCE}.'
_FIRST = 'docker.io/library/nginx:1.27'
_SECOND = 'registry.example.com/team/web:2.0'
_USERNAME = 'deployer'
_PASSWORD = 'open-sesame'  # noqa: S105 (nobody's)


class _Registry(http.server.BaseHTTPRequestHandler):
    """As much of a registry as it takes to answer whether an image exists."""

    def do_HEAD(self):
        """Answer for the one image that exists."""
        found = self.path == '/v2/team/web/manifests/2.1'
        self.send_response(200 if found else 404)
        if found:
            self.send_header('Docker-Content-Digest', 'sha256:' + '7' * 64)
        self.end_headers()

    do_GET = do_HEAD  # asked for what HEAD does not find

    def log_message(self, *_):
        """Print nothing: standard output is for the hooks."""


@contextlib.contextmanager
def _serving_registry():
    """Yield the host of a registry, and what stops it."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), _Registry)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def stop():
        server.shutdown()
        server.server_close()

    try:
        yield f'127.0.0.1:{server.server_port}', stop
    finally:
        stop()


class _Wrong(Exception):
    """A hook did something other than expected; says what was expected."""


class _Demo:
    """What an operator does to a unit, on a console; the main scenes also in a picture."""

    def __init__(self, console, subject):
        self.unit = subject
        self.pictures = {
            display.Hooks: terminal_picture.console(),
            _Below: terminal_picture.console(_NARROW),
        }
        self._console = console
        self._pictured = False
        self._chapters = 0

    def chapter(self, title, command, runs, *, pictured=False):
        """Print what the operator does and what each of the hooks that follow did."""
        self._chapters += 1
        command = rich.text.Text(f'$ {command}', 'dim')
        self._console.print()
        self._console.print(_rule(f'{self._chapters}. {title}'))
        self._console.print(command)
        runs = runs()
        self._console.print(display.Hooks(runs))
        self._pictured = pictured
        if pictured:
            changing = [run for run in runs if any(display.changes(run))]
            for shown, picture in self.pictures.items():
                picture.print(_rule(title))
                picture.print(command)
                picture.print(shown(changing))
        return runs

    def must(self, sentence, *facts):
        """Go on if all the facts are true."""
        if not all(facts):
            raise _Wrong(sentence)
        pictures = self.pictures.values() if self._pictured else ()
        for console in (self._console, *pictures):
            console.print(rich.text.Text.assemble(('✓ ', 'green'), sentence))


@dataclasses.dataclass(frozen=True)
class _Below:
    """What hooks did, with each change on a line below the hook."""

    runs: list

    def __rich_console__(self, console, options):
        for run in self.runs:
            yield rich.text.Text(run.hook, 'bold cyan')
            for kind, change in display.changes(run):
                named = '' if kind == 'flag' else f'{kind} '
                line = rich.text.Text.assemble((named, 'dim'), change)
                yield rich.padding.Padding(line, (0, 0, 0, 1))


def _rule(title):
    return rich.rule.Rule(rich.text.Text(title, 'bold'), align='left', style='dim')


def _flags(subject):
    return {flag[len(_PREFIX) :] for flag in subject.flags if flag.startswith(_PREFIX)}


def _path(run):
    return run.pod_spec and run.pod_spec['containers'][0]['imageDetails']['imagePath']


def _run(demo):
    """Run the hooks until the charm's next release; raise _Wrong."""
    _first_image(demo)
    _another_image(demo)
    _broken_image(demo)
    _broken_store(demo)


def _first_image(demo):
    subject = demo.unit
    demo.chapter(
        'Deploy without the image', 'juju deploy ./my-charm', subject.deploy, pictured=True
    )
    demo.must(
        'The unit is blocked, and says which resource is missing and how to attach it.',
        _flags(subject) == {'fetched', 'failed'},
        subject.status[0] == 'blocked',
        f'{_RESOURCE}=' in subject.status[1],
        subject.pod_spec is None,
    )

    upgrade, *_ = demo.chapter(
        'Attach an image',
        f'juju attach-resource my-charm {_RESOURCE}={_FIRST}',
        lambda: subject.attach(_RESOURCE, _FIRST),
        pictured=True,
    )
    demo.must(
        'The image is available and in the pod spec, and the unit is active.',
        _flags(subject) == {'fetched', 'available'},
        _path(upgrade) == _FIRST,
        subject.status[0] == 'active',
    )

    runs = demo.chapter('Upgrade with nothing new', 'juju refresh my-charm', subject.upgrade)
    demo.must(
        'Nothing happens: no flag, no pod spec.',
        not any(run.flags_set | run.flags_cleared | run.flags_transient for run in runs),
        not any(run.pod_spec for run in runs),
        subject.status[0] == 'active',
    )


def _another_image(demo):
    subject = demo.unit
    upgrade, *_ = demo.chapter(
        'Attach another image, a private one',
        f'juju attach-resource my-charm {_RESOURCE}=./private.yaml',
        lambda: subject.attach(_RESOURCE, _SECOND, _USERNAME, _PASSWORD),
        pictured=True,
    )
    demo.must(
        'It has changed, and there is a new pod spec.',
        f'{_PREFIX}changed' in upgrade.flags_transient,
        _path(upgrade) == _SECOND,
    )

    (idle,) = demo.chapter('Let five minutes pass', 'juju status --watch 5s', subject.idle)
    demo.must('The pod spec is not sent again.', not idle.pod_spec)


def _broken_image(demo):
    subject = demo.unit
    upgrade, *_ = demo.chapter(
        'Attach a broken image',
        f'juju attach-resource my-charm {_RESOURCE}=./broken.yaml',
        lambda: subject.attach(_RESOURCE, b'registrypath: https://registry.example.com/web\n'),
        pictured=True,
    )
    demo.must(
        'It is blocked, and says why; the pod spec stays as it was.',
        _flags(subject) == {'fetched', 'failed'},
        subject.status[0] == 'blocked',
        'https' not in subject.status[1] or 'registrypath' in subject.status[1],
        upgrade.pod_spec is None,
    )

    upgrade, *_ = demo.chapter(
        'Repair it',
        f'juju attach-resource my-charm {_RESOURCE}=./private.yaml',
        lambda: subject.attach(_RESOURCE, _SECOND, _USERNAME, _PASSWORD),
        pictured=True,
    )
    demo.must(
        'The image is available again, the same as before, so `changed` is not set.',
        _flags(subject) == {'fetched', 'available'},
        f'{_PREFIX}changed' not in upgrade.flags_transient,
        subject.status[0] == 'active',
    )


def _broken_store(demo):
    subject = demo.unit
    subject.fail_resource_get(_RESOURCE)
    demo.chapter('Upgrade while the store is down', 'juju refresh my-charm', subject.upgrade)
    demo.must(
        'It is waiting: the next hook will try again.',
        subject.status[0] == 'waiting',
        'will be retried' in subject.status[1],
    )

    subject.repair_resource_get(_RESOURCE)
    demo.chapter('Let five minutes pass', 'juju status --watch 5s', subject.idle)
    demo.must(
        'It has recovered by itself.',
        _flags(subject) == {'fetched', 'available'},
        subject.status[0] == 'active',
    )


def _run_with_a_registry(demo, charm):
    """Run the hooks from the release `charm` on, which verifies images; raise _Wrong."""
    subject = demo.unit
    with _serving_registry() as (host, stop):
        demo.chapter(
            'Refresh to a release with verify-image, and a wrong tag',
            f'juju refresh my-charm --path ./my-charm --resource {_RESOURCE}={host}/team/web:2.11',
            lambda: subject.upgrade(charm, {_RESOURCE: f'{host}/team/web:2.11'}),
        )
        demo.must(
            'It says that the image does not exist, before Kubernetes tries to pull it.',
            _flags(subject) == {'fetched', 'failed'},
            subject.status[0] == 'blocked',
            f'{host}/team/web:2.11 is not in the registry' in subject.status[1],
            not any(run.pod_spec for run in subject.runs[-2:]),
        )

        upgrade, *_ = demo.chapter(
            'Attach the right tag',
            f'juju attach-resource my-charm {_RESOURCE}={host}/team/web:2.1',
            lambda: subject.attach(_RESOURCE, f'{host}/team/web:2.1'),
        )
        demo.must(
            'The registry has confirmed it, and a new pod spec is sent.',
            _flags(subject) == {'fetched', 'available'},
            _path(upgrade) == f'{host}/team/web:2.1',
        )

        stop()
        demo.chapter(
            'Attach another image while the registry is down',
            f'juju attach-resource my-charm {_RESOURCE}={host}/team/web:2.2',
            lambda: subject.attach(_RESOURCE, f'{host}/team/web:2.2'),
        )
        demo.must(
            'It waits, and will retry in the next hook.',
            _flags(subject) == {'fetched'},
            subject.status[0] == 'waiting',
            host in subject.status[1],
        )

    demo.must(
        'The password was in no log line, status, flag or argument of all these hooks.',
        not any(_PASSWORD in run.public_output for run in subject.runs),
    )


def _build_releases(folder):
    """Build the charm, and its next release; return their folders."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        release = pool.submit(_build_verifying, folder / 'verifying')
        return building.build(_CHARM, folder), release.result()


def _build_verifying(folder):
    """Build the charm with `verify-image: true`; return the built charm's folder."""
    source = folder / 'my-charm'
    shutil.copytree(_CHARM, source)
    with open(source / 'layer.yaml', 'a') as layer:
        layer.write('options:\n  docker-resource:\n    verify-image: true\n')
    return building.build(source, folder)


def main(arguments=None):
    """Build the charm and run its hooks; return the exit code."""
    parser = argparse.ArgumentParser(
        prog='./dev demo', description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        '--folder', type=pathlib.Path, help='build and run the unit in this folder, and keep it'
    )
    parser.add_argument(
        '--svg',
        type=pathlib.Path,
        nargs='?',
        const=_PICTURE,
        metavar='PATH',
        help='also draw the main scenes (default: docs/demo.svg)',
    )
    args = parser.parse_args(arguments)
    console = rich.console.Console(highlight=False)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or pathlib.Path(temporary)).resolve()
        try:
            with console.status('charm build, of two releases at once'):
                charm, release = _build_releases(folder)
            console.print(
                f'Built my-charm with `charm build`: {len(list(charm.rglob("*")))} files'
            )
            subject = charm_unit.Unit(charm, folder / 'unit', deploy=False)
            demo = _Demo(console, subject)
            _run(demo)
            _run_with_a_registry(demo, release)
            if args.svg:
                narrow = args.svg.with_stem(f'{args.svg.stem}-narrow')
                for path, picture in zip((args.svg, narrow), demo.pictures.values(), strict=True):
                    terminal_picture.write(picture, path, './dev demo')
        except (_Wrong, building.BuildError, charm_unit.CharmUnitError, OSError) as error:
            said = 'Check failed: ' if isinstance(error, _Wrong) else ''
            console.print(rich.text.Text(f'\n✗ {said}{error}', 'bold red'))
            return 1
    seconds = time.monotonic() - begun
    console.print()
    console.print(
        rich.text.Text(
            f'All {len(subject.runs)} hooks ran as expected, in {seconds:.0f} s.', 'bold green'
        )
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
