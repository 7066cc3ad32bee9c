"""The version of this distribution: pyproject.toml and `./dev release` have it from here."""

VERSION = '0.1.0'
