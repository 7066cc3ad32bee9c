"""Reads image resources: gets their details from Juju and verifies them with their registries."""

import os
import time
import typing

from container_image import contents, reference, registry_errors
from image_resource import declared, memory, tool

_REGISTRIES_SECONDS = 30  # for all of a hook's look-ups together


class Unusable(Exception):
    """An image can't be used.

    `is_unread`: its file could not be read, whatever is in it. `is_left_over`: because there was
    no time for it in this hook.
    """

    def __init__(
        self,
        reason: str,
        remedy: str,
        status: str = 'blocked',
        is_unread: bool = False,
        is_left_over: bool = False,
    ) -> None:
        super().__init__(reason)
        self.problem = memory.Problem(status, reason, remedy)
        self.is_unread = is_unread
        self.is_left_over = is_left_over


Outcome = typing.Union[memory.Image, Unusable]


class Reader:
    """Reads the resources of one hook; all calls of resource-get share a limit of `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seconds_left = seconds
        self._registries_end: typing.Optional[float] = None  # as time.monotonic() counts

    def read(
        self, names: typing.Iterable[str], verify: bool, kept: memory.Memory
    ) -> typing.Dict[str, Outcome]:
        """Return the outcome for each resource in `names`; `kept` has the earlier ones."""
        outcomes: typing.Dict[str, Outcome] = {}
        for name in names:
            try:
                # Since Juju 2.9.31 all images of a unit share one file: it is read before the
                # next resource is asked for.
                outcomes[name] = self._get(name)
            except Unusable as error:
                outcomes[name] = error
        images = {
            name: outcome
            for name, outcome in outcomes.items()
            if isinstance(outcome, memory.Image)
        }
        if images and verify:
            outcomes.update(self._verified(images, kept))
        return outcomes

    def _get(self, name: str) -> memory.Image:
        """Return the image that the controller has for `name`; raise Unusable."""
        try:
            declared.check(name)
        except declared.Unfit as error:
            raise Unusable(str(error), memory.REPORT) from None
        path = self._path(name)
        try:
            details = contents.read(path)
        except contents.UnreadableFileError as error:
            raise Unusable(str(error), memory.RETRY, is_unread=True) from None
        except contents.InvalidContentsError as error:
            raise Unusable(str(error), memory.ATTACH) from None
        return memory.Image(*details, '')

    def _path(self, name: str) -> str:
        """Return the path of the file of the resource `name`; raise Unusable."""
        left_over = Unusable(
            f'not read yet: resource-get took {self._seconds:.2g} s for other resources',
            'will be read in the next hook',
            status='waiting',
            is_unread=True,
            is_left_over=True,
        )
        if self._seconds_left <= 0:
            raise left_over
        has_enough = self._seconds_left > self._seconds / 4
        begun = time.monotonic()
        try:
            return tool.resource_get(name, self._seconds_left)
        except tool.NoFile as error:
            if error.is_late and not has_enough:
                raise left_over from None
            remedy = memory.ATTACH if error.is_absent else memory.RETRY
            raise Unusable(str(error), remedy, is_unread=True) from None
        finally:
            self._seconds_left -= time.monotonic() - begun

    def _verified(
        self, images: typing.Mapping[str, memory.Image], kept: memory.Memory
    ) -> typing.Dict[str, Outcome]:
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
        return {name: _judged(name, images[name], answers[name], kept) for name in images}


def _judged(
    name: str,
    image: memory.Image,
    answer: typing.Union[str, registry_errors.RegistryError],
    kept: memory.Memory,
) -> Outcome:
    """Return the outcome for an image, given its registry's answer."""
    if isinstance(answer, str):
        return image._replace(digest=answer)
    last = memory.last_good(name)
    if last and last.details != image.details:
        last = None
    if isinstance(answer, registry_errors.RejectedError):
        kept.refused[name] = [*image.details, str(answer)]
        if last:  # it is confirmed no more
            memory.keep(name, last._replace(digest=''))
        return Unusable(str(answer), memory.ATTACH)
    *refused, reason = kept.refused.get(name, [''])
    if refused == list(image.details):
        return Unusable(reason, memory.ATTACH)
    if last and last.digest:
        return last  # confirmed before: nothing speaks against it now
    return Unusable(str(answer), memory.RETRY, status='waiting')


def _proxies() -> typing.Dict[str, str]:
    """Return the model's proxies for charms, in the form that `registry.look_up` takes."""
    variables = {
        'http': 'JUJU_CHARM_HTTP_PROXY',
        'https': 'JUJU_CHARM_HTTPS_PROXY',
        'no_proxy': 'JUJU_CHARM_NO_PROXY',
    }
    return {key: os.environ[name] for key, name in variables.items() if os.environ.get(name)}
