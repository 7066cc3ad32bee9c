"""How hook tools reach the unit, as they reach Juju through the socket of jujuc.

Each tool on a hook's PATH is the same few lines of shell. They write the call to a file, write its
name to a pipe, and run the line that they read from another pipe. So a call costs a shell and not
an interpreter. As in Juju, one call is answered at a time.
"""

import contextlib
import itertools
import os
import pathlib
import select
import shlex
import threading
import typing

from charm_unit._unit import context, hook_tools, juju_version
from charm_unit._unit.hook_tools import tool

_CLIENT = r"""#!/bin/sh
# Hands the call of a hook tool to the simulated unit, and does what that answers.
set -C
calls=${0%/*}/../calls

# Sends the call in taken/$1, and runs the line that comes back. The unit holds the other end of
# each pipe, so that no tool waits for a unit that is gone: it reads the end of the pipe.
send() {
    exec 3<>"$calls/free/$1" 4<"$calls/free/$1" 3>&-
    echo "$1" 1<>"$calls/request"
    IFS= read -r line <&4 || {
        rm -f "$calls/taken/$1"
        echo 'ERROR the simulated unit is gone' >&2
        exit 1
    }
    exec 4<&-
    eval "$line"
}

taken=
while [ -z "$taken" ]; do
    for answer in "$calls"/free/*; do
        [ -e "$calls/open" ] || { echo 'ERROR no hook is running in this unit' >&2; exit 1; }
        [ -p "$answer" ] || continue
        taken=$calls/taken/${answer##*/}
        { printf '%s\0' "${0##*/}" "$PWD" "$@" >"$taken"; } 2>/dev/null && break
        taken=
    done
done
send "${answer##*/}"
"""
_FREE = 4
_INLINE_CHARACTERS = 4096
"""The maximum size of an answer in the pipe; a longer one is written to a file."""


def install(folder: pathlib.Path, juju: juju_version.JujuVersion) -> None:
    """Put the tools that this version of Juju has into a unit's folder."""
    tools = folder / 'tools'
    tools.mkdir()
    for name in hook_tools.names(juju):
        (tools / name).write_text(_CLIENT)
        (tools / name).chmod(0o755)


ALIVE = 'alive'
"""A pipe in the folder $calls that the unit keeps open: reading from it waits for its end."""


class Server:
    """Answers the hook tools of a unit while a hook runs, as a context manager.

    `broken` has the reason why each of some tools fails; None if the hook that calls it is killed.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        hook: context.HookContext,
        broken: 'typing.Mapping[str, str | None]',
    ) -> None:
        self._folder = os.path.join(folder, 'calls')
        self._hook = hook
        self._broken = broken
        self._numbers = itertools.count()
        self._pipes: dict[str, int] = {}
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.fault: BaseException | None = None

    def __enter__(self) -> 'Server':
        if not os.path.exists(self._folder):
            os.mkdir(self._folder, 0o700)
        for part in ('free', 'taken'):
            os.makedirs(self._path(part), exist_ok=True)
        for pipe in ('request', ALIVE):
            if not os.path.exists(self._path(pipe)):  # a snapshot has none
                _make_pipe(self._path(pipe))
        for part in ('free', 'taken'):
            for name in os.listdir(self._path(part)):
                os.unlink(self._path(part, name))
        self._requests, self._alive = _open(self._path('request')), _open(self._path(ALIVE))
        self._stopped, self._stop = os.pipe()
        self._make_free(_FREE)
        os.close(os.open(self._path('open'), os.O_CREAT | os.O_WRONLY))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.unlink(self._path('open'))
        os.close(self._stop)
        self._thread.join()
        for name in os.listdir(self._path('free')):
            os.unlink(self._path('free', name))
        for descriptor in (self._requests, self._alive, self._stopped, *self._pipes.values()):
            os.close(descriptor)
        if self.fault:
            raise self.fault

    def _path(self, *names: str) -> str:
        # Not with pathlib, which takes longer than what is done with the files.
        return '/'.join((self._folder, *names))

    def _make_free(self, number: int) -> None:
        for _ in range(number):
            self._make_pipe(f'{next(self._numbers):08}')

    def _make_pipe(self, name: str) -> None:
        """Create the pipe for an answer; it is open before a tool can find it."""
        making = self._path(f'.{name}')
        _make_pipe(making)
        self._pipes[name] = _open(making)
        os.rename(making, self._path('free', name))

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
                    self.fault = self.fault or error
                    with contextlib.suppress(OSError, ValueError):
                        self._reply(name.decode(), 'exit 1')

    def _answer(self, name: str) -> None:
        """Answer the call in the file of that name."""
        self._make_free(1)
        file = self._path('taken', name)
        with open(file, 'rb') as taken:
            program, folder, *words = taken.read().split(b'\0')[:-1]
        call = tool.Call(
            os.fsdecode(program),
            os.fsdecode(folder),
            [word.decode(errors='replace') for word in words],
        )
        if call.tool in self._broken:
            self._reply(name, _failure(self._broken[call.tool]))
            return
        if name.startswith('.') and os.path.exists(f'{file}.in'):  # what it was asked for
            call.stdin = pathlib.Path(f'{file}.in').read_bytes()
        try:
            answer = hook_tools.call(self._hook, call)
        except tool.NeedsInput:
            self._ask_for_input(name)
            return
        self._reply(name, _script(answer, file))

    def _ask_for_input(self, name: str) -> None:
        # With a dot, no other tool takes it for a free one.
        again = f'.{name}'
        self._make_pipe(again)
        os.link(self._path('taken', name), self._path('taken', again))
        self._reply(name, f'cat >"$calls/taken/{again}.in"; send {again}')

    def _reply(self, name: str, script: str) -> None:
        """Send a tool its line; nobody reads it if the tool has ended."""
        descriptor = self._pipes.pop(name, None)
        if descriptor is None:  # answered already
            return
        os.unlink(self._path('free', name))
        os.write(descriptor, f'{script}\n'.encode())
        os.close(descriptor)


def _make_pipe(path: str) -> None:
    """Create a pipe for this user only: a hook tool runs what it reads from it."""
    os.mkfifo(path, 0o600)


def _open(pipe: str) -> int:
    """Open a pipe for reading and writing: it stays open with this process, and nothing blocks."""
    return os.open(pipe, os.O_RDWR | os.O_NONBLOCK)


def _failure(reason: 'str | None') -> str:
    """Return the line of shell of a tool that fails; without a reason, it kills its hook."""
    if reason is None:
        return 'kill -s KILL 0'  # the group of processes that the hook leads
    return f"printf %b '{_escaped(f'ERROR {reason}')}\\n' >&2; exit 1"


def _script(answer: tool.Answer, file: str) -> str:
    """Return the line of shell that gives this answer to the call in `file`."""
    if answer.script:
        words = ' '.join(shlex.quote(word) for word in answer.words)
        # A line must not have line ends in it.
        pathlib.Path(f'{file}.sh').write_text(answer.script)
        return f'export calls; exec /bin/sh -c "$(cat {shlex.quote(f"{file}.sh")})" {words}'
    parts = []
    for number, text in ((1, answer.stdout), (2, answer.stderr)):
        escaped = _escaped(text[: _INLINE_CHARACTERS + 1])
        if len(escaped) > _INLINE_CHARACTERS:
            pathlib.Path(f'{file}.{number}').write_text(text)
            parts.append(f'cat {shlex.quote(f"{file}.{number}")} >&{number}')
        elif text:
            parts.append(f"printf %b '{escaped}' >&{number}")
    return '; '.join([*parts, f'exit {answer.code}'])


def _escaped(text: str) -> str:
    """Return a text as `printf %b` reads it, within single quotes."""
    return ''.join(
        character
        if 32 <= ord(character) < 127 and character not in "\\'"
        else ''.join(f'\\0{byte:03o}' for byte in character.encode(errors='replace'))
        for character in text
    )
