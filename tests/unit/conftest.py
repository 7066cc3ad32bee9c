"""The layer's own code on the path, beside charms.reactive's, as `charm build` puts them."""

import pathlib
import sys

import charms

_ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT / 'lib'), str(_ROOT / 'tests')]
charms.__path__.append(str(_ROOT / 'lib' / 'charms'))
