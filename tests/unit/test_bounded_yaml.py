import pytest
import yaml

from container_image import bounded_yaml


def bomb(levels):
    lines = ['a0: &a0 x']
    lines += [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 10)}]' for n in range(1, levels)]
    return '\n'.join(lines)


def test_compose_counts_an_alias_as_what_it_stands_for():
    assert isinstance(bounded_yaml.compose(bomb(4)), yaml.MappingNode)
    with pytest.raises(bounded_yaml.TooLargeError):
        bounded_yaml.compose(bomb(5))
    with pytest.raises(bounded_yaml.TooLargeError):
        bounded_yaml.compose(bomb(100))


@pytest.mark.parametrize(
    'text', ['[' * 51 + ']' * 51, '[' + 'x, ' * 10000 + ']'], ids=['levels', 'nodes']
)
def test_compose_refuses_more_levels_and_nodes_than_its_limits(text):
    with pytest.raises(bounded_yaml.TooLargeError):
        bounded_yaml.compose(text)


def test_compose_refuses_what_contains_itself():
    with pytest.raises(bounded_yaml.RecursiveAliasError):
        bounded_yaml.compose('&a [b, [*a]]')


@pytest.mark.parametrize('text', ['', '# nothing', b'\n'])
def test_compose_returns_none_without_a_document(text):
    assert bounded_yaml.compose(text) is None


def test_tags_are_those_of_all_nodes():
    root = bounded_yaml.compose('{a: &x [1, !odd b], c: *x}')
    assert root is not None
    assert {tag.rpartition(':')[2] for tag in bounded_yaml.tags(root)} == {
        'map', 'str', 'seq', 'int', '!odd'
    }  # fmt: skip
