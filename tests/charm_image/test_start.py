"""How the installed programs begin."""

import signal
import subprocess
import sys

PROGRAM = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == 'charm_image._commands.resource_command':
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from charm_image import _programs
sys.exit(_programs.upload())
"""


def test_ctrl_c_while_a_program_is_imported_ends_it_without_a_word():
    done = subprocess.run([sys.executable, '-c', PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, '')
