"""Kinds that fuselage has, and that make no sense in an image: each says what to do instead."""

from __future__ import annotations

from typing import Any

from charm_image.resources.resource import Resource, caller


class _Unsupported(Resource):
    reason = ''

    def __new__(cls, *_: Any, **__: Any) -> _Unsupported:
        self = object.__new__(cls)
        self.location = caller()
        self._refuse(cls.reason)


class Service(_Unsupported):
    """Makes no sense in an image: nothing runs while one is built."""

    reason = 'no service runs while an image is built; give the image a cmd'


class Mount(_Unsupported):
    """Makes no sense in an image: whoever runs it decides what is mounted."""

    reason = 'nothing can be mounted while an image is built; give the image volumes'


class Checkout(_Unsupported):
    """Makes no sense in an image, which would keep the program that checks out."""

    reason = 'check out here, and bring what is needed into the image as Files'


class Patch(_Unsupported):
    """Makes no sense in an image: what is changed is best changed here."""

    reason = 'patch here, and bring the result into the image as a File'


class Special(_Unsupported):
    """Makes no sense in an image: whoever runs it provides devices."""

    reason = 'whoever runs an image provides its devices; for a pipe, Execute mkfifo'
