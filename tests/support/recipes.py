"""The recipes of docs/how-to/extend.md, followed in a copy of this repository."""

import os
import re
import shlex
import subprocess
import sys
import textwrap

from support import building

_SOURCES = ('lib', 'tools/charm-image/src', 'tools/charm-unit/src', 'tests')


class Recipe:
    """The recipe with this heading, and a copy in `folder` to follow it in.

    Attributes:
        code: what it shows of Python, in its order
    """

    def __init__(self, heading, folder):
        page = (building.ROOT / 'docs' / 'how-to' / 'extend.md').read_text()
        text = page.partition(f'\n## {heading}\n')[2].partition('\n## ')[0]
        blocks = re.findall(r'(?ms)^ +```python\n(.*?)^ +```$', text)
        self.code = [textwrap.dedent(block) for block in blocks]
        self._command = re.search(r'(?m)^ +\./dev \w+ -- (.*)', text)[1]
        self._folder = folder
        building.check_out(folder)

    def create(self, path, text):
        """Write a new file."""
        assert not (self._folder / path).exists()
        (self._folder / path).write_text(text)

    def insert(self, path, before, text):
        """Insert `text` before the first place of `before`."""
        self.replace(path, before, text + before)

    def replace(self, path, old, new):
        """Replace the first place of `old`."""
        content = (self._folder / path).read_text()
        assert old in content, f'{old!r} is not in {path}'
        (self._folder / path).write_text(content.replace(old, new, 1))

    def run(self, *paths):
        """Run the tests of its command, and of `paths`; return the output."""
        done = subprocess.run(
            [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', *paths]
            + shlex.split(self._command),
            cwd=self._folder,
            env={
                **os.environ,
                'PYTHONPATH': os.pathsep.join(str(self._folder / each) for each in _SOURCES),
                'TESTS': '',
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout
