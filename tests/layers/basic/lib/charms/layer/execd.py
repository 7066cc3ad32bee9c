"""What a site puts into exec.d/ runs before anything of the charm does."""

import os
import pathlib
import subprocess


def execd_preinstall(execd_dir=None):
    """Run each exec.d/*/charm-pre-install once; an exit code other than 0 ends the hook."""
    folder = pathlib.Path(execd_dir or pathlib.Path(os.environ['JUJU_CHARM_DIR'], 'exec.d'))
    for program in sorted(folder.glob('*/charm-pre-install')):
        done = program.with_name('.charm-pre-install_sentinel')
        if not done.exists() and os.access(program, os.X_OK):
            subprocess.check_call([str(program)], cwd=str(program.parent))
            done.touch()
