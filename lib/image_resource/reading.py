"""Reads image resources: gets their details from Juju and asks their registries."""

import os
import time
import typing

from container_image import contents, reference, registry_errors
from image_resource import metadata, records, resource_get

_REGISTRIES_SECONDS = 30  # for all of a hook's look-ups together


class Reader:
    """Reads the resources of one hook; all calls of resource-get share a limit of `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seconds_left = seconds
        self._registries_end: typing.Optional[float] = None  # as time.monotonic() counts

    def read(
        self, names: typing.Iterable[str], is_verified: bool
    ) -> typing.Dict[str, records.Outcome]:
        """Return the outcome for each resource in `names`."""
        # Since Juju 2.9.31 all images of a unit share one file: it is read before the next
        # resource is asked for.
        outcomes = {name: self._read(name) for name in names}
        images = {name: outcome.image for name, outcome in outcomes.items() if outcome.image}
        if images and is_verified:
            outcomes.update(self._verify(images))
        return outcomes

    def _read(self, name: str) -> records.Outcome:
        """Return what the controller has for `name`."""
        undeclared = metadata.error(name)
        if undeclared:
            return records.Outcome(records.UNDECLARED, undeclared)
        left_over = records.Outcome(
            records.LEFT_OVER,
            f'not read yet: resource-get took {self._seconds:.2g} s for other resources',
        )
        if self._seconds_left <= 0:
            return left_over
        has_enough = self._seconds_left > self._seconds / 4
        began = time.monotonic()
        try:
            path = resource_get.path_of(name, self._seconds_left)
        except resource_get.NoFileError as error:
            if error.is_late and not has_enough:
                return left_over
            kind = records.ABSENT if error.is_absent else records.UNREAD
            return records.Outcome(kind, str(error))
        finally:
            self._seconds_left -= time.monotonic() - began
        try:
            details = contents.read(path)
        except contents.UnreadableFileError as error:
            return records.Outcome(records.UNREAD, str(error))
        except contents.InvalidContentsError as error:
            return records.Outcome(records.INVALID, str(error))
        return records.Outcome(records.VALID, image=records.Image(*details, digest=''))

    def _verify(
        self, images: typing.Mapping[str, records.Image]
    ) -> typing.Dict[str, records.Outcome]:
        """Return the outcomes after asking the registries for `images`."""
        from container_image import registry  # takes a tenth of a second

        if self._registries_end is None:
            self._registries_end = time.monotonic() + _REGISTRIES_SECONDS
        answers = registry.look_up(
            {
                name: (
                    reference.Reference.parse(image.registry_path),
                    image.username,
                    image.password,
                )
                for name, image in images.items()
            },
            limit=max(0, self._registries_end - time.monotonic()),
            proxies=_proxies(),
        )
        return {name: _outcome(image, answers[name]) for name, image in images.items()}


def _outcome(
    image: records.Image, answer: typing.Union[str, registry_errors.RegistryError]
) -> records.Outcome:
    """Return the outcome for an image, given its registry's answer."""
    if isinstance(answer, str):
        return records.Outcome(records.VALID, image=image._replace(digest=answer))
    is_rejected = isinstance(answer, registry_errors.RejectedError)
    kind = records.REJECTED if is_rejected else records.UNREACHABLE
    return records.Outcome(kind, str(answer), image)


def _proxies() -> typing.Dict[str, str]:
    """Return the model's proxies for charms, in the form that `registry.look_up` takes."""
    variables = {
        'http': 'JUJU_CHARM_HTTP_PROXY',
        'https': 'JUJU_CHARM_HTTPS_PROXY',
        'no_proxy': 'JUJU_CHARM_NO_PROXY',
    }
    return {key: os.environ[name] for key, name in variables.items() if os.environ.get(name)}
