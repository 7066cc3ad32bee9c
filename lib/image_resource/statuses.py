"""The status messages that an operator reads about image resources."""

import collections
import contextlib
import threading
import typing

from charmhelpers.core import hookenv

from image_resource import memory

_SLOW_SECONDS = 5


def sentence(problems: typing.Mapping[str, memory.Problem]) -> str:
    """Return a message with each resource in `problems`, the reason, and what to do."""
    groups: typing.Dict[memory.Problem, typing.List[str]] = collections.OrderedDict()
    for name in sorted(problems):
        groups.setdefault(problems[name], []).append(name)
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


def listed(word: str, names: typing.Sequence[str]) -> str:
    """Return `word` and the names, as in "fetching resources: a, b"."""
    return f'{word} resource{"s" if len(names) > 1 else ""}: {", ".join(names)}'


@contextlib.contextmanager
def told_if_slow(text: str, tell: typing.Callable[[str], object]) -> typing.Iterator[None]:
    """Call `tell` with `text` if the block takes longer than 5 s."""
    timer = threading.Timer(_SLOW_SECONDS, tell, [text])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
