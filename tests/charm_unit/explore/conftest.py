"""Small charms, and the command that explores them."""

import pytest

from support import exploring


@pytest.fixture
def explore(tmp_path):
    """Return what explores small charms."""
    return exploring.Explore(tmp_path)
