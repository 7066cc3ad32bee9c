"""Somebody who read a page, and types its commands in a clone of this checkout."""

import os
import pathlib
import subprocess
import sys

from support import building, isolation


class Newcomer:
    """Has a fresh home directory, `home`, a clone of this checkout, `clone`, and a `python3`."""

    def __init__(self, folder):
        self.home = folder / 'home'
        self.home.mkdir(exist_ok=True)
        self.clone = building.clone(folder / 'docker-resource')
        self._programs = folder / 'programs'
        self._programs.mkdir()
        interpreter = getattr(sys, '_base_executable', sys.executable)
        (self._programs / 'python3').symlink_to(interpreter)

    def type(self, script, **variables):
        """Type the script in the clone, with these variables; return what is printed."""
        environment = str(pathlib.Path(sys.executable).parent)
        path = [part for part in os.environ['PATH'].split(os.pathsep) if part != environment]
        done = subprocess.run(
            [*isolation.on_the_machines_network(), 'bash'],  # for pip
            input=script,
            cwd=self.clone,
            env={
                **{key: value for key, value in os.environ.items() if key.startswith('PIP_')},
                'HOME': str(self.home),
                'LANG': 'C.UTF-8',
                'PATH': os.pathsep.join([str(self._programs), *path]),
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout
