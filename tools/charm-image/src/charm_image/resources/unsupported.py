"""Resources of fuselage that cannot be used in an image: each says what to do instead."""

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
    """Cannot be used in an image: no service runs while it is built."""

    reason = 'no service runs while an image is built: set cmd'


class Mount(_Unsupported):
    """Cannot be used in an image: mounts are made when it runs."""

    reason = 'nothing can be mounted while an image is built: set volumes'


class Checkout(_Unsupported):
    """Cannot be used in an image, which would have to contain the version control program."""

    reason = 'check out on this machine, and copy what is needed into the image with File'


class Patch(_Unsupported):
    """Cannot be used in an image: patch the file on this machine."""

    reason = 'patch on this machine, and copy the result into the image with File'


class Special(_Unsupported):
    """Cannot be used in an image: devices are provided when it runs."""

    reason = 'devices are provided when an image runs: for a pipe, use Execute with mkfifo'
