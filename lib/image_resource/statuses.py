"""What an operator reads of image resources."""

import collections
import contextlib
import threading
import typing

from charmhelpers.core import hookenv

from image_resource import memory

_SLOW_SECONDS = 5


def sentence(problems: typing.Mapping[str, memory.Problem]) -> str:
    """Return what an operator has to know of `problems`, by name."""
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
    """Return that `names` are `word`."""
    return f'{word} resource{"s" if len(names) > 1 else ""}: {", ".join(names)}'


@contextlib.contextmanager
def told_if_slow(text: str, tell: typing.Callable[[str], object]) -> typing.Iterator[None]:
    """Have `tell` say `text` if the block takes long enough for anybody to see it."""
    timer = threading.Timer(_SLOW_SECONDS, tell, [text])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
