"""The status messages that an operator reads about image resources."""

import contextlib
import threading
import typing

from charmhelpers.core import hookenv

from container_image import messages
from image_resource import records

_SLOW_SECONDS = 5


def sentence(problems: typing.Mapping[str, records.Problem]) -> str:
    """Return a message with each resource in `problems`, the reason, and what to do."""
    groups: typing.Dict[records.Problem, typing.List[str]] = {}
    for name in sorted(problems):
        groups.setdefault(problems[name], []).append(messages.printable(name))
    return '; '.join(
        '{}: {} ({})'.format(
            ', '.join(names),
            problem.reason,
            problem.remedy.format(
                application=hookenv.application_name(),
                name=names[0] if len(names) == 1 else 'NAME',
            ),
        )
        for problem, names in groups.items()
    )


def listed(verb: str, names: typing.Sequence[str]) -> str:
    """Return `verb` and the names, as in "fetching resources: a, b"."""
    shown = ', '.join(map(messages.printable, names))
    return f'{verb} resource{"s" if len(names) > 1 else ""}: {shown}'


@contextlib.contextmanager
def if_slow(set_status: typing.Callable[[], object]) -> typing.Iterator[None]:
    """Call `set_status` if the block takes longer than 5 s."""
    timer = threading.Timer(_SLOW_SECONDS, set_status)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
