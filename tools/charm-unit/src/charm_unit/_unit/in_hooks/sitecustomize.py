"""Imported at the start of an interpreter that has this folder on its PYTHONPATH."""

import charm_unit_hook  # noqa: F401
