"""The command charm-unit."""
