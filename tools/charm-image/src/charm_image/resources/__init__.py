"""The resources of an image: files, packages, users, commands.

Names, arguments and policies are those of fuselage (https://github.com/yaybu/fuselage), as far as
they can be used in the build of an image. Every resource takes `id`, the name by which others can
watch it; `policy`; and `watches`, the ids of earlier resources: it is applied only if one of them
changed something.

Each kind of resource is a module here: its arguments, and its shell script.
"""

from charm_image.resources._directory import Directory
from charm_image.resources._execute import Execute
from charm_image.resources._file import File
from charm_image.resources._group import Group
from charm_image.resources._line import Line
from charm_image.resources._link import Link
from charm_image.resources._package import Package
from charm_image.resources._resource import Resource as Resource
from charm_image.resources._unsupported import Checkout, Mount, Patch, Service, Special
from charm_image.resources._user import User

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
