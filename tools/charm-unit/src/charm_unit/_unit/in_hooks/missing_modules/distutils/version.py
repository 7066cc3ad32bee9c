"""Versions that compare by their numbers and words."""

import functools
import re


@functools.total_ordering
class LooseVersion:
    """A version of any form."""

    def __init__(self, vstring=''):
        self.vstring = vstring
        self.version = [
            int(part) if part.isdigit() else part
            for part in re.split(r'(\d+|[a-z]+|\.)', vstring)
            if part and part != '.'
        ]

    def __str__(self):
        return self.vstring

    def _key(self):
        return [
            (isinstance(part, str), str(part) if isinstance(part, str) else part)
            for part in self.version
        ]

    def __eq__(self, other):
        return self._key() == LooseVersion(str(other))._key()

    def __lt__(self, other):
        return self._key() < LooseVersion(str(other))._key()

    def __hash__(self):
        return hash(self.vstring)


StrictVersion = LooseVersion
