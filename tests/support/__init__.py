"""What several tests use: engines, registries and a stand-in for Charmhub, and cases."""

import os
import shutil


def require(*programs):
    """Skip the test where one of `programs` is absent; in CI, where all have to be there, fail."""
    absent = [program for program in programs if not shutil.which(program)]
    if absent:
        _skip('not installed: ' + ', '.join(absent))


def require_root(reason='only root can start engines in namespaces of their own'):
    """Skip the test where an ordinary user runs it; in CI, where root does, fail."""
    if os.geteuid():
        _skip(reason)


def _skip(reason):
    import pytest  # the example charm's hooks run without it

    if os.environ.get('CI'):
        pytest.fail(reason + ' (CI allows no skip)')
    pytest.skip(reason)
