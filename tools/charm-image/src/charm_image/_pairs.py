"""Arguments of the form NAME=VALUE."""

from __future__ import annotations

from charm_image import _texts


def split(text: str) -> tuple[str, str]:
    """Return name and value. Raises ValueError, with a message, if there is no name."""
    name, equals, value = text.partition('=')
    if not equals or not name:
        raise ValueError(f'{_texts.quoted(text)} is not of the form NAME=VALUE')
    return name, value
