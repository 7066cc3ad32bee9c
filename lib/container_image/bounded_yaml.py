"""YAML of a bounded size, in which aliases count as what they stand for.

A small file can stand for gigabytes, or for something endless: whoever walks what it stands for
would not come to an end.
"""

import typing

import yaml

_MAX_NODES = 10000
_MAX_DEPTH = 50


class TooLargeError(Exception):
    """There are more than 10,000 nodes, or more than 50 levels."""


class RecursiveAliasError(Exception):
    """A node contains itself."""


class _Loader(yaml.SafeLoader):
    """Composes nodes up to a limit, with scalars as they are written."""

    _depth = 0
    _nodes = 0

    def compose_node(
        self, parent: typing.Optional[yaml.Node], index: int
    ) -> typing.Optional[yaml.Node]:
        self._depth += 1
        self._nodes += 1
        if self._depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise TooLargeError
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def compose(text: typing.Union[str, bytes]) -> typing.Optional[yaml.Node]:
    """Return the root of the only document in `text`, None if there is none.

    Raise TooLargeError, RecursiveAliasError, or what PyYAML raises: not only its own YAMLError.
    """
    root = _Loader(text).get_single_node()
    if root is not None and _size(root, {}) > _MAX_NODES:
        raise TooLargeError
    return root


def tags(root: yaml.Node) -> typing.Set[str]:
    """Return the tags of all nodes that `compose` returned."""
    found: typing.Set[str] = set()
    seen: typing.Set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            found.add(node.tag)
            waiting += _children(node)
    return found


def _children(node: yaml.Node) -> typing.List[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _size(node: yaml.Node, sizes: typing.Dict[int, typing.Optional[int]]) -> int:
    """Return how many nodes `node` stands for, aliases followed."""
    if id(node) not in sizes:
        sizes[id(node)] = None
        sizes[id(node)] = 1 + sum(_size(child, sizes) for child in _children(node))
    size = sizes[id(node)]
    if size is None:
        raise RecursiveAliasError
    return size
