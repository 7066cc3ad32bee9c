"""What the interpreter of a hook gets to see, beside the charm.

Nothing here is imported by charm_unit: `charm_unit_hook.py` is imported at the start of each of a
hook's interpreters, of whatever version from 3.5 on, and `absent/` ends its sys.path.
"""
