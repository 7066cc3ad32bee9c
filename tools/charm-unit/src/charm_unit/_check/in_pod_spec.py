"""What of an image is found in a pod spec: its reference anywhere, its credentials beside it."""

import base64
import re
import typing

PodSpec = typing.Mapping[str, typing.Any] | None


def has_image(pod_spec: PodSpec, reference: str) -> bool:
    """Return whether a reference stands anywhere in a pod spec.

    A charm may hand it on in a variable, an argument or a file, too, or add its digest.
    """
    whole = re.compile(rf'(?<![\w.-]){re.escape(reference)}(?![\w:/-]|\.\w)')
    return any(whole.search(text) for text in _texts(pod_spec))


def has_password(pod_spec: PodSpec, username: str, password: str) -> bool:
    """Return whether a password stands anywhere in a pod spec, or encoded as Kubernetes wants."""
    auth = f'{username}:{password}'
    plain = list(_texts(pod_spec))
    plain += [_decoded(text) for text in plain]
    return any(
        sought in text
        for text in plain
        for sought in (password, base64.b64encode(auth.encode()).decode())
    )


def images(pod_spec: PodSpec) -> list[str]:
    """Return the images of a pod spec's containers."""
    found = []
    for key in ('containers', 'initContainers'):
        for container in (pod_spec or {}).get(key) or ():
            if isinstance(container, dict):
                details = container.get('imageDetails') or {}
                found.append(str(details.get('imagePath') or container.get('image') or '(none)'))
    return found


def difference(before: typing.Any, after: typing.Any, path: str = '') -> str:
    """Return where two pod specs differ first, '' if nowhere. No value is in it."""
    if type(before) is not type(after):
        return path or 'all of it'
    if isinstance(before, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            inner = f'{path}.{key}' if path else str(key)
            if key not in before or key not in after:
                return inner
            found = difference(before[key], after[key], inner)
            if found:
                return found
        return ''
    if isinstance(before, list):
        for number, (one, other) in enumerate(zip(before, after, strict=False)):
            found = difference(one, other, f'{path}[{number}]')
            if found:
                return found
        return '' if len(before) == len(after) else path
    return '' if before == after else path


def _texts(value: typing.Any) -> typing.Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, typing.Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return ''
