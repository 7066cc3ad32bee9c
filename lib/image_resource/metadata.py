"""What the charm's metadata.yaml and layer.yaml say about image resources, and mistakes there."""

import typing

from charmhelpers.core import hookenv

from container_image import messages

OPTIONS = {'set-status': True, 'verify-image': False}  # and their defaults
_TYPES = ('oci-image', 'docker')  # `docker` was its name before Juju 2.5.0
# YAML, and people, have more than one word for each.
_TRUE = ('true', 'yes', 'on', '1')
_FALSE = ('false', 'no', 'off', '0', '')


def resources() -> typing.Dict[str, typing.Any]:
    """Return the entries in metadata.yaml, by name; Juju takes no names but strings."""
    entries = (hookenv.metadata() or {}).get('resources')
    if not isinstance(entries, dict):
        return {}
    return {name: entry for name, entry in entries.items() if isinstance(name, str)}


def images() -> typing.Dict[str, typing.Any]:
    """Return the entries of type oci-image, by name."""
    return {name: entry for name, entry in resources().items() if _is_image(entry)}


def error(name: str) -> str:
    """Return why metadata.yaml does not declare `name` as an image; '' if it does."""
    entry = resources().get(name)
    if not isinstance(entry, dict):
        return "it is not in the charm's metadata.yaml"
    return '' if _is_image(entry) else 'its type in metadata.yaml is not oci-image'


def absence(name: str) -> str:
    """Return a message that metadata.yaml does not have `name`, and what it has; '' if it does."""
    try:
        entries = resources()
    except OSError:  # there is no charm here
        return ''
    if name in entries:
        return ''
    if not entries:
        return 'metadata.yaml declares no resources'
    names = ', '.join(sorted(map(messages.printable, entries)))
    return f'metadata.yaml declares no resource of that name, only: {names}'


def auto_fetched() -> typing.Tuple[typing.Set[str], typing.Dict[str, str]]:
    """Return the names of the images with auto-fetch, and why entries are invalid, by name."""
    names, errors = set(), {}
    for name, entry in resources().items():
        if not isinstance(entry, dict):
            errors[name] = 'its entry in metadata.yaml is not a mapping'
        elif _is_image(entry):
            is_auto_fetched = truth(entry.get('auto-fetch'))
            if is_auto_fetched:
                names.add(name)
            elif is_auto_fetched is None:
                errors[name] = 'its auto-fetch in metadata.yaml is not true or false'
    return names, errors


def warnings(options: object, misspelt_options: object) -> typing.List[str]:
    """Return a warning for each setting that has no effect.

    Args:
        options: those in layer.yaml for this layer
        misspelt_options: those in layer.yaml for `docker_resource`, as the module is called
    """
    found = [
        f'resource {messages.printable(name)}: auto-fetch has no effect, since its type is not'
        f' oci-image but {messages.printable(entry.get("type"))}'
        for name, entry in resources().items()
        if isinstance(entry, dict) and not _is_image(entry) and truth(entry.get('auto-fetch'))
    ]
    if misspelt_options:
        found.append(
            'layer.yaml: the options for docker_resource have no effect: call it docker-resource'
        )
    for option, value in options.items() if isinstance(options, dict) else ():
        if option not in OPTIONS:
            import difflib

            (nearest,) = difflib.get_close_matches(str(option), OPTIONS, n=1, cutoff=0)
            found.append(
                f'layer.yaml: docker-resource has no option {messages.printable(option)}: did you'
                f' mean {nearest}?'
            )
        elif value is not None and truth(value) is None:
            found.append(
                f'layer.yaml: the option {messages.printable(option)} of docker-resource must be'
                f' true or false: it is taken for {str(OPTIONS[option]).lower()}'
            )
    return sorted(found)


def truth(value: object) -> typing.Optional[bool]:
    """Return what `value` means as a boolean, None if nothing."""
    # By type first: of a list with YAML aliases, the text may be endless.
    if isinstance(value, int):
        return {0: False, 1: True}.get(value)
    if value is None:
        return False
    word = value.strip().lower() if isinstance(value, str) else None
    return word in _TRUE if word in _TRUE + _FALSE else None


def _is_image(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get('type') in _TYPES
