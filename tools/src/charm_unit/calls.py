"""How hook tools reach the unit: what Juju's jujuc socket is to its hooks.

Every tool on a hook's PATH is the same few lines of shell. They leave the call in a file that
they made first, name it in a pipe, and run the lines that come back. So a call costs the hook a
shell, not an interpreter. As in Juju, one call is answered at a time.
"""

import contextlib
import itertools
import os
import pathlib
import select
import shlex
import threading
import time

from charm_unit import context, hook_tools
from charm_unit.hook_tools import tool

_CLIENT = r"""#!/bin/sh
# Hands the call of a hook tool to the simulated unit, and does what that answers.
set -C
calls=${0%/*}/../calls
taken=
while [ -z "$taken" ]; do
    for answer in "$calls"/free/*; do
        [ -e "$calls/open" ] || { echo 'ERROR no hook is running in this unit' >&2; exit 1; }
        [ -p "$answer" ] || continue
        taken=$calls/taken/${answer##*/}
        { printf '%s\0' "${0##*/}" "$PWD" "$$" "$@" >"$taken"; } 2>/dev/null && break
        taken=
    done
done
echo "${answer##*/}" >>"$calls/request"
IFS= read -r line <"$answer"
eval "$line"
"""
_FREE = 8
_WAIT_SECONDS = 10
_INLINE_CHARACTERS = 4096


def install(folder: pathlib.Path) -> None:
    """Put the tools into a unit's folder."""
    tools = folder / 'tools'
    tools.mkdir()
    for name in hook_tools.names():
        (tools / name).write_text(_CLIENT)
        (tools / name).chmod(0o755)


class Server:
    """Answers the hook tools of a unit while a hook runs, as a context manager."""

    def __init__(self, folder: pathlib.Path, hook: context.HookContext) -> None:
        self._folder = folder / 'calls'
        self._hook = hook
        self._numbers = itertools.count()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.fault: BaseException | None = None

    def __enter__(self) -> 'Server':
        for part in ('free', 'taken'):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
            # A hook may run as somebody else than the unit.
            (self._folder / part).chmod(0o777)
            for file in (self._folder / part).iterdir():
                file.unlink()
        request = self._folder / 'request'
        if not request.exists():
            _make_pipe(request)
        # Open for both, it never ends, and nobody waits for the other side.
        self._requests = os.open(request, os.O_RDWR | os.O_NONBLOCK)
        self._stopped, self._stop = os.pipe()
        self._make_free(_FREE)
        (self._folder / 'open').touch()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        (self._folder / 'open').unlink()
        os.close(self._stop)
        self._thread.join()
        for pipe in (self._folder / 'free').iterdir():
            pipe.unlink()
        os.close(self._requests)
        os.close(self._stopped)
        if self.fault:
            raise self.fault

    def _make_free(self, number: int) -> None:
        for _ in range(number):
            _make_pipe(self._folder / 'free' / f'{next(self._numbers):08}')

    def _serve(self) -> None:
        buffered = b''
        while True:
            ready, _, _ = select.select([self._requests, self._stopped], [], [])
            if self._requests not in ready:
                return
            buffered += os.read(self._requests, 65536)
            *names, buffered = buffered.split(b'\n')
            for name in names:
                try:
                    self._answer(name.decode())
                except Exception as error:  # noqa: BLE001 (told in __exit__; the tool must not wait)
                    self.fault = error
                    self._reply(name.decode(), 'exit 1', 0)

    def _answer(self, name: str) -> None:
        """Answer the call in the file of that name."""
        self._make_free(1)
        file = self._folder / 'taken' / name
        program, folder, pid, *words = file.read_bytes().split(b'\0')[:-1]
        call = tool.Call(
            os.fsdecode(program),
            pathlib.Path(os.fsdecode(folder)),
            [word.decode(errors='replace') for word in words],
        )
        given = file.with_suffix('.in')
        if given.exists():
            call.stdin = given.read_bytes()
        try:
            answer = hook_tools.call(self._hook, call)
        except tool.NeedsInput:
            self._ask_for_input(name, int(pid))
            return
        self._reply(name, _script(answer, file.with_suffix('.out')), int(pid))

    def _ask_for_input(self, name: str, pid: int) -> None:
        # With a dot, no other tool takes it for a free one.
        again = f'.{name}'
        _make_pipe(self._folder / 'free' / again)
        os.link(self._folder / 'taken' / name, self._folder / 'taken' / again)
        script = (
            f'cat >"$calls/taken/{again}.in"; echo {again} >>"$calls/request"; '
            f'IFS= read -r line <"$calls/free/{again}"; eval "$line"'
        )
        self._reply(name, script, pid)

    def _reply(self, name: str, script: str, pid: int) -> None:
        """Give the waiting tool its lines; nothing if it is gone."""
        pipe = self._folder / 'free' / name
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                # Fails until the tool waits on the other side.
                descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
                break
            except OSError:
                if time.monotonic() > deadline or not _runs(pid):
                    return
                time.sleep(0.0002)
        pipe.unlink()
        os.set_blocking(descriptor, True)
        with contextlib.suppress(OSError), os.fdopen(descriptor, 'w') as answer:
            answer.write(script + '\n')


def _make_pipe(path: pathlib.Path) -> None:
    os.mkfifo(path)
    path.chmod(0o666)


def _runs(pid: int) -> bool:
    if not pid:  # that of a call which could not be read
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _script(answer: tool.Answer, file: pathlib.Path) -> str:
    """Return the line of shell that is this answer."""
    if answer.script:
        words = ' '.join(shlex.quote(word) for word in answer.words)
        # A line must not have line ends in it.
        script = file.with_suffix('.sh')
        script.write_text(answer.script)
        return f'exec /bin/sh -c "$(cat {shlex.quote(str(script))})" {words}'
    parts = []
    for number, text in ((1, answer.stdout), (2, answer.stderr)):
        if len(text) > _INLINE_CHARACTERS:
            long = file.with_suffix(f'.{number}')
            long.write_text(text)
            parts.append(f'cat {shlex.quote(str(long))} >&{number}')
        elif text:
            parts.append(f"printf %b '{_escaped(text)}' >&{number}")
    return '; '.join([*parts, f'exit {answer.code}'])


def _escaped(text: str) -> str:
    """Return a text as printf's %b wants it, within single quotes."""
    return ''.join(
        character
        if 32 <= ord(character) < 127 and character not in "\\'"
        else ''.join(f'\\0{byte:03o}' for byte in character.encode(errors='replace'))
        for character in text
    )
