"""Image references such as `registry.example.com/team/app:1.2@sha256:…`.

The grammar is that of distribution/reference 0.5.0, which Juju 3.6 uses.
"""

import re
import typing

_DEFAULT_DOMAIN = 'docker.io'
_DOMAIN = re.compile(
    r'(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?'
    r'(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*'
    r'|\[[A-Fa-f0-9:]+\])'
    r'(?::[0-9]+)?'
)
_PATH_COMPONENT = re.compile(r'[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*')
_TAG = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}')
_DIGEST = re.compile(r'sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}')
_BARE_IDENTIFIER = re.compile(r'[a-f0-9]{64}')
# domain and path together: newer releases count the path only, but none that Juju has.
_MAX_NAME_CHARACTERS = 255


def is_digest(text: str) -> bool:
    """Return whether `text` is a digest, by sha256 or sha512, in lower case."""
    return bool(_DIGEST.fullmatch(text))


class InvalidReferenceError(ValueError):
    """The text is not an image reference; the message says why, and never quotes the text."""


class Reference(
    typing.NamedTuple('Reference', [('domain', str), ('path', str), ('tag', str), ('digest', str)])
):
    """An image reference, normalised: Docker Hub's short names are spelled out.

    `domain` is the registry's host, with its port if it has one, and `path` the repository; `tag`
    and `digest` are '' if the reference has none. If it has both, the digest decides.
    `str()` returns its full form.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> 'Reference':
        """Return the Reference in `text` (a str); raise InvalidReferenceError."""
        _check_characters(text)
        rest, has_digest, digest = text.partition('@')
        domain, path_and_tag = _split_domain(rest)
        path, has_tag, tag = path_and_tag.partition(':')
        if has_digest and not is_digest(digest):
            raise InvalidReferenceError(
                'only a digest may follow "@": sha256: and 64, or sha512: and 128, lower-case hex'
                ' digits; put credentials into username and password'
            )
        if not _DOMAIN.fullmatch(domain):
            raise InvalidReferenceError('the registry, before the first "/", is not a valid host')
        if path != path.lower():
            raise InvalidReferenceError('the repository must be in lower case')
        if not all(map(_PATH_COMPONENT.fullmatch, path.split('/'))):
            raise InvalidReferenceError(
                'the repository must be words of a-z and 0-9, separated by single "/", ".", "_" or'
                ' "-"'
            )
        if has_tag and not _TAG.fullmatch(tag):
            raise InvalidReferenceError(
                'the tag, after ":", must be at most 128 characters of A-Z, a-z, 0-9, "_", "." and'
                ' "-", and must not begin with "." or "-"'
            )
        if not has_digest and not has_tag and _BARE_IDENTIFIER.fullmatch(rest):
            raise InvalidReferenceError(
                '64 hex digits are an image ID, not the name of a repository'
            )
        if domain == 'index.docker.io':
            domain = _DEFAULT_DOMAIN
        if domain == _DEFAULT_DOMAIN and '/' not in path:
            path = 'library/' + path
        if len(domain) + 1 + len(path) > _MAX_NAME_CHARACTERS:
            raise InvalidReferenceError(
                f'registry and repository are longer than {_MAX_NAME_CHARACTERS} characters'
            )
        return cls(domain, path, tag, digest)

    def __str__(self) -> str:
        tag = self.tag and ':' + self.tag
        digest = self.digest and '@' + self.digest
        return self.name + tag + digest

    @property
    def name(self) -> str:
        """The registry and the repository, without tag and digest."""
        return f'{self.domain}/{self.path}'

    def tagged(self, tag: str) -> 'Reference':
        """Return the reference of a tag in the same repository."""
        return self._replace(tag=tag, digest='')

    def pinned(self, digest: str) -> 'Reference':
        """Return the reference of a digest in the same repository."""
        return self._replace(tag='', digest=digest)


def _split_domain(name: str) -> typing.Tuple[str, str]:
    """Return the registry's host and the rest of `name`, as distribution/reference splits them."""
    first, slash, rest = name.partition('/')
    is_domain = '.' in first or ':' in first or first == 'localhost' or first != first.lower()
    return (first, rest) if slash and is_domain else (_DEFAULT_DOMAIN, name)


def _check_characters(text: str) -> None:
    """Raise InvalidReferenceError for characters that no part of a reference may have."""
    if not text.strip():
        raise InvalidReferenceError('it is blank')
    if '://' in text:
        raise InvalidReferenceError('it must begin with the registry\'s host, without "http://"')
    if any(character.isspace() for character in text):
        raise InvalidReferenceError('it contains a space or a line break')
    if not all('!' <= character <= '~' for character in text):
        raise InvalidReferenceError('it contains control or non-ASCII characters')
