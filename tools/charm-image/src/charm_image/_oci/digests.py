"""Digests as texts: what is one, and what has one in it."""

from __future__ import annotations

import re

_FULL = re.compile(r'(?:sha256:)?([0-9a-f]{64})')
_SHORT = re.compile(r'(?:sha256:)?([0-9a-f]{12,63})')
_BLOB_NAME = re.compile(r'(?:\./)?(?:blobs/sha256/)?([0-9a-f]{64})(?:\.tar|\.json)?')


def is_digest(text: str) -> bool:
    """Return whether `text` is a sha256 digest: `sha256:` and 64 hexadecimal digits."""
    return text.startswith('sha256:') and full(text) == text


def full(text: str) -> str:
    """Return the sha256 digest in `text`, which may lack `sha256:`; '' if it is something else."""
    match = _FULL.fullmatch(text)
    return f'sha256:{match[1]}' if match else ''


def short(text: str) -> str:
    """Return the first 12 or more digits of a digest, without `sha256:`; '' if it is none."""
    match = _SHORT.fullmatch(text)
    return match[1] if match else ''


def claimed(name: str) -> str | None:
    """Return the digest in a file's name, as in the names of blobs; None without one."""
    match = _BLOB_NAME.fullmatch(name)
    return f'sha256:{match[1]}' if match else None
