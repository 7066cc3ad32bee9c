"""Draws docs/upload.svg: the output of charm-upload-resource, half-way and at the end.

Beside it, upload-narrow.svg is for small screens.

It uploads an image to a simulated Charmhub, records the lines and the bars, and draws the bars
again at a fixed moment of a fixed clock, since their real progress depends on the machine.
Requires docker-registry.
"""

import argparse
import os
import pathlib
import random
import sys
import tempfile
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests'))

import rich.rule
import rich.text

from charm_image._commands import resource_command, terminal
from support import charmhub, layouts, terminal_picture

_ARGUMENTS = ['my-charm', 'my-image', '--image=my.rock']
_LAYERS = (16_000_000, 6_000_000, 1_000_000)  # bytes of each
_MOMENT = 0.5  # seconds from the beginning
_COLUMNS = {'': 108, '-narrow': 58}  # the wide one for the line with the digest
_SHARES = (0.9, 0.6, 0.2)  # of reading, and of the layers that are on their way, by their size


class _Notes:
    """Replaces a `terminal.Terminal`: records its lines and bars."""

    def __init__(self):
        self.before, self.after = [], []  # the lines before and after the bars
        self.totals = {}  # bytes of each bar
        self._said = self.before

    def __call__(self, program, **options):
        return self

    def say(self, sentence):
        self._said.append(sentence)

    tell = say

    def result(self, sentence, content):
        self._said.append(sentence)

    def error(self, sentence, errors):
        sys.exit(sentence)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass

    def show(self, progress):
        if progress.state in ('note', 'found', 'uploading', 'uploaded'):
            self._said = self.after if progress.state == 'uploaded' else self._said
            self.say(str(progress))
        elif progress.done is not None and self._said is self.before:
            self.totals[progress.text] = progress.total


def _upload(directory):
    """Upload the image; return the recorded output."""
    chance = random.Random(0)
    layers = [layouts.tar([('file', chance.randbytes(size))]) for size in _LAYERS]
    notes = _Notes()
    (directory / 'my.rock').write_bytes(layouts.docker_25(layouts.Image(tuple(layers))))
    with charmhub.running(directory / 'hub') as hub:
        os.chdir(directory)  # for a short path
        environment = mock.patch.dict(os.environ, hub.environment)
        with environment, mock.patch.object(terminal, 'Terminal', notes):
            if status := resource_command.main(_ARGUMENTS):
                sys.exit(status)
    return notes


def draw(notes, path, columns):
    """Draw the fixed moment and the end."""
    now = 0.0
    console = terminal_picture.console(width=columns)
    console.print(rich.text.Text(f'$ charm-upload-resource {" ".join(_ARGUMENTS)}', 'dim'))
    for sentence in notes.before:
        console.print(rich.text.Text(sentence))
    bars = terminal.bars(console, lambda: now)
    # reading begins first, then the largest layer
    totals = sorted(notes.totals.items(), key=lambda item: -item[1])
    tasks = [(bars.add_task(name, total=total), total) for name, total in totals]
    for number in range(11):
        now = _MOMENT * number / 10
        for (task, total), share in zip(tasks, _SHARES, strict=False):
            bars.update(task, completed=int(total * share * number / 10))
    for task, _ in tasks[len(_SHARES) :]:
        bars.remove_task(task)
    console.print(bars.get_renderable())
    console.print(rich.rule.Rule('and then', style='dim'))
    for sentence in notes.after:
        console.print(rich.text.Text(sentence))
    terminal_picture.write(console, path, 'charm-upload-resource')


def main():
    """Upload and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('path', nargs='?', type=pathlib.Path, default=ROOT / 'docs' / 'upload.svg')
    path = parser.parse_args().path.absolute()
    with tempfile.TemporaryDirectory() as directory:
        notes = _upload(pathlib.Path(directory))
    for ending, columns in _COLUMNS.items():
        draw(notes, path.with_stem(path.stem + ending), columns)


if __name__ == '__main__':
    main()
