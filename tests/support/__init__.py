"""What several tests use: engines, registries and a stand-in for Charmhub, and cases."""

import os
import shutil

import pytest


def require(*programs):
    """Skip the test where one of `programs` is absent; in CI, where all have to be there, fail."""
    absent = [program for program in programs if not shutil.which(program)]
    if absent:
        reason = 'not installed: ' + ', '.join(absent)
        if os.environ.get('CI'):
            pytest.fail(reason + ' (CI allows no skip)')
        pytest.skip(reason)


def require_root(reason='only root can start engines in namespaces of their own'):
    """Skip the test where an ordinary user runs it; in CI, where root does, fail."""
    if os.geteuid():
        if os.environ.get('CI'):
            pytest.fail(reason + ' (CI allows no skip)')
        pytest.skip(reason)
