"""As much of setuptools' pkg_resources as charms.reactive and layer:basic use.

Current setuptools has none, and that of 2019 does not start on Python 3.12.
"""

import re


def iter_entry_points(group, name=None):
    """Yield the entry points of a group; on Python 3.7 and older, none."""
    try:
        from importlib import metadata
    except ImportError:
        return
    points = metadata.entry_points()
    found = points.select(group=group) if hasattr(points, 'select') else points.get(group, ())
    for point in found:
        if name in (None, point.name):
            yield point


def declare_namespace(_name):
    """Do nothing: Python knows namespace packages by itself."""


def parse_version(text):
    """Return what compares as versions do, as far as numbers go."""
    return tuple(int(number) for number in re.findall(r'\d+', text.split('+')[0]))


class Requirement:
    """A requirement: its project's name, and its specifiers as pairs."""

    def __init__(self, project_name, specs):
        self.project_name = self.name = project_name
        self.specs = specs

    @classmethod
    def parse(cls, text):
        """Return the requirement that the text is; raise ValueError."""
        match = re.match(r'\s*([A-Za-z0-9._-]+)\s*(.*)$', text)
        if not match:
            raise ValueError(text)
        specs = re.findall(r'(==|>=|<=|!=|~=|<|>)\s*([^,\s;]+)', match.group(2))
        return cls(match.group(1), specs)
