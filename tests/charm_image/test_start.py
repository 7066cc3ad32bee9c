"""How the installed programs begin."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == 'charm_image._commands.resource_command':
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = ['charm-upload-resource', 'my-charm', 'my-file', '--filepath=data']
from charm_image import _programs
sys.exit(_programs.upload())
"""


def test_ctrl_c_while_a_program_is_imported_ends_it_without_a_word():
    done = subprocess.run([sys.executable, '-c', PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, '')


@pytest.mark.parametrize('program', ['upload', 'upload_all', 'revisions'])
@pytest.mark.parametrize(('argument', 'status'), [('--help', 0), ('--version', 0), ('--hlep', 2)])
def test_a_program_that_uploads_nothing_imports_none_of_the_libraries_for_it(
    program, argument, status
):
    code = f"""
import sys
from charm_image import _programs
sys.argv = ['x', {argument!r}]
try:
    _programs.{program}()
finally:
    print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == status
    *_, modules = done.stderr.splitlines()
    assert 'charm_image' in modules.split()
    assert not {'requests', 'urllib3', 'yaml', 'rich', 'docker', 'keyring'} & {*modules.split()}


def test_an_upload_begins_without_what_one_that_changes_nothing_does_not_need():
    code = 'import sys, charm_image._commands.resource_command; print(*sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    needed_later = {'requests', 'yaml', 'rich', 'docker', 'keyring', 'tarfile', 'http.server'}
    assert not needed_later & {*done.stdout.split()}
