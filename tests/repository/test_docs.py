"""docs/ is what the commands write."""

import importlib.util
import pathlib

ROOT = pathlib.Path(__file__).parents[2]


def _program():
    spec = importlib.util.spec_from_file_location('reference', ROOT / 'docs' / 'reference.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_dev_docs_writes_today():
    assert (ROOT / 'docs' / 'docker-resource.md').read_text() == _program().text()


def test_the_reference_has_all_that_charms_call():
    reference = _program().text()
    for name in ('fetch', 'get_info', 'DockerImageInfo', 'image_details', 'verify-image'):
        assert f'# {name}\n' in reference
