"""Starts with each hook's interpreter: notes every process that the hook starts."""

import json
import os
import pathlib
import runpy
import sys

runpy.run_path(str(pathlib.Path(__file__).parents[2] / 'ubuntu' / 'sitecustomize.py'))

_file = os.environ['SIMULATED_PROCESSES']


def _note(event, arguments):
    if event == 'subprocess.Popen':
        command = arguments[1]
    elif event in ('os.system', 'os.exec', 'os.posix_spawn', 'os.fork', 'os.forkpty', 'pty.spawn'):
        command = [event, *map(repr, arguments)]
    else:
        return
    if isinstance(command, (str, bytes, os.PathLike)):
        command = [command]
    with open(_file, 'a') as file:
        print(json.dumps([os.fsdecode(word) for word in command]), file=file)


sys.addaudithook(_note)
