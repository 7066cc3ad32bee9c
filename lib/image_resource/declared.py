"""The resources in the charm's metadata.yaml, and mistakes in it."""

import difflib
import typing

from charmhelpers.core import hookenv

OPTIONS = ('set-status', 'verify-image')
_TYPES = ('oci-image', 'docker')  # `docker` was its name before Juju 2.5.0
# YAML, and people, have more than one word for each.
_TRUE = ('true', 'yes', 'on', '1')
_FALSE = ('false', 'no', 'off', '0', '')


class Unfit(Exception):
    """An entry in metadata.yaml does not declare an image; the message says why."""


def resources() -> typing.Dict[str, typing.Any]:
    """Return the entries in metadata.yaml, by name."""
    found = (hookenv.metadata() or {}).get('resources')
    return found if isinstance(found, dict) else {}


def images() -> typing.Dict[str, typing.Any]:
    """Return the entries of type oci-image, by name."""
    return {name: entry for name, entry in resources().items() if _is_image(entry)}


def check(name: str) -> None:
    """Raise Unfit unless metadata.yaml has `name` as an image."""
    entry = resources().get(name)
    if not isinstance(entry, dict):
        raise Unfit("it is not in the charm's metadata.yaml")
    if not _is_image(entry):
        raise Unfit('its type in metadata.yaml is not oci-image')


def absence(name: str) -> str:
    """Return a message that metadata.yaml does not have `name`, and what it has; '' if it does."""
    try:
        found = resources()
    except OSError:  # there is no charm here
        return ''
    if name in found:
        return ''
    if not found:
        return 'metadata.yaml declares no resources'
    names = ', '.join(sorted(map(str, found)))
    return f'metadata.yaml declares no resource of that name, only: {names}'


def auto_fetched() -> typing.Tuple[typing.Set[str], typing.Dict[str, str]]:
    """Return the names of the images with auto-fetch, and why entries are invalid, by name."""
    wanted, wrong = set(), {}
    for name, entry in resources().items():
        if not isinstance(entry, dict):
            wrong[name] = 'its entry in metadata.yaml is not a mapping'
        elif _is_image(entry):
            truth = _truth(entry.get('auto-fetch'))
            if truth:
                wanted.add(name)
            elif truth is None:
                wrong[name] = 'its auto-fetch in metadata.yaml is not true or false'
    return wanted, wrong


def warnings(options: object) -> typing.List[str]:
    """Return a warning for each setting in metadata.yaml and `options` that has no effect."""
    found = [
        f'resource {name}: auto-fetch has no effect, since its type is not oci-image but'
        f' {entry.get("type")}'
        for name, entry in sorted(resources().items(), key=str)
        if isinstance(entry, dict) and not _is_image(entry) and _truth(entry.get('auto-fetch'))
    ]
    for option in sorted(map(str, options)) if isinstance(options, dict) else ():
        if option not in OPTIONS:
            nearest = difflib.get_close_matches(option, OPTIONS, n=1, cutoff=0)[0]
            found.append(
                f'layer.yaml: docker-resource has no option {option}: did you mean {nearest}?'
            )
    return found


def unasked(asked: typing.Collection[str]) -> typing.List[str]:
    """Return the names of the images that are not among `asked`, sorted."""
    return sorted(set(images()).difference(asked))


def _is_image(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get('type') in _TYPES


def _truth(value: object) -> typing.Optional[bool]:
    """Return what `value` means as a boolean, None if nothing."""
    word = '' if value is None else str(value).strip().lower()
    if isinstance(value, float) or word not in _TRUE + _FALSE:
        return None
    return word in _TRUE
