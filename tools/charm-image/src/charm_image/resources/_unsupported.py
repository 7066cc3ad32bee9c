"""Resources of fuselage that cannot be used in an image: each says what to do instead."""

from __future__ import annotations

from typing import Any

from charm_image.resources._resource import Resource, caller


class Unsupported(Resource):
    """Cannot be used in an image; `reason` says why, and what to do."""

    reason = ''

    def __new__(cls, *_: Any, **__: Any) -> Unsupported:
        self = object.__new__(cls)
        self.location = caller()
        self._refuse(cls.reason)


def _kind(name: str, reason: str) -> type[Unsupported]:
    return type(name, (Unsupported,), {'reason': reason, '__doc__': f'Not in images: {reason}.'})


Checkout: type[Unsupported] = _kind(
    'Checkout', 'check out on this machine, and copy what is needed into the image with Directory'
)
Mount: type[Unsupported] = _kind(
    'Mount', 'nothing can be mounted while an image is built: set volumes'
)
Patch: type[Unsupported] = _kind(
    'Patch', 'patch on this machine, and copy the result into the image with File'
)
Service: type[Unsupported] = _kind('Service', 'no service runs while an image is built: set cmd')
Special: type[Unsupported] = _kind(
    'Special', 'devices are provided when an image runs: for a pipe, use Execute with mkfifo'
)
