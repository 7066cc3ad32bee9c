"""When the charm's image resources are read: at the start of a hook, if one of them is due.

What handlers ask for in a hook is read by `image_resource.hook.read_requested`.
"""

import sys

from charmhelpers.core import hookenv

from image_resource import idle


def begin() -> None:
    """Read what this hook has to read, before any handler runs."""
    # Registered here, after all modules were imported: callbacks run last in, first out, and
    # layer:status has to send the status after this one asked for it.
    hookenv.atexit(end)
    if not idle.is_idle():
        from image_resource import hook

        hook.begin()


def end() -> None:
    """Finish what was done in this hook, if there was anything."""
    idle.has_ended = True
    hook = sys.modules.get('image_resource.hook')
    if hook:
        hook.end()


hookenv.atstart(begin)
