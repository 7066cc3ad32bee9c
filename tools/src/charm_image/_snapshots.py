"""What tells whether a resource changed something, for those that watch it."""

from __future__ import annotations

from charm_image import _packages, resources
from charm_image._shell import quote


def command(resource: resources.Resource) -> str:
    """A command whose output differs if the resource changed something.

    It succeeds whatever is missing, and is '' for an Execute, which says it itself.
    """
    if isinstance(resource, (resources.User, resources.Group)):
        files = 'cat /etc/passwd /etc/group /etc/shadow /etc/gshadow 2>/dev/null || :'
        home = getattr(resource, 'home', None)
        return f'{files}; {_owner(home)}' if home else files
    if isinstance(resource, resources.Line):
        # what $() takes is newlines at the end, so one more character follows
        return f'cat {quote(resource.name)} 2>/dev/null || :; echo x'
    if isinstance(resource, resources.Package):
        return _packages.INSTALLED
    if isinstance(resource, (resources.File, resources.Directory, resources.Link)):
        path = quote(resource.name)
        content = {resources.File: f'cat {path}', resources.Link: f'readlink {path}'}
        read = content.get(type(resource), ':')
        return f'{_owner(resource.name)}; {read} 2>/dev/null || :; echo x'
    return ''


def _owner(path: str) -> str:
    # sizes and times differ once a file is in the new layer
    return f"ls -ldn {quote(path)} 2>&1 | awk '{{ print $1, $3, $4 }}'"


def always_news(resource: resources.Resource) -> bool:
    """Whether to apply the resource is to change something, whatever the image was before."""
    if resource.watches:
        return False
    if isinstance(resource, resources.File):
        return resource.contents is not None or resource.source is not None
    return isinstance(resource, resources.Execute) and not resource.conditional
