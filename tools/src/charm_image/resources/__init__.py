"""What an image is made of: files, packages, users, commands.

Names, arguments and policies are fuselage's (https://github.com/yaybu/fuselage), as far as they
make sense while an image is built. Every resource takes `id`, the name under which others watch
it; `policy`; and `watches`, ids of earlier resources: it is applied only if one of them changed
something.

Each kind is a file of its own here: what it takes, and what it is to a shell.
"""

from charm_image.resources.directory import Directory
from charm_image.resources.execute import Execute
from charm_image.resources.file import File
from charm_image.resources.group import Group
from charm_image.resources.line import Line
from charm_image.resources.link import Link
from charm_image.resources.package import Package
from charm_image.resources.resource import Resource as Resource
from charm_image.resources.unsupported import Checkout, Mount, Patch, Service, Special
from charm_image.resources.user import User

__all__ = [
    'Checkout',
    'Directory',
    'Execute',
    'File',
    'Group',
    'Line',
    'Link',
    'Mount',
    'Package',
    'Patch',
    'Service',
    'Special',
    'User',
]
