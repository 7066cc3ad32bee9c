"""State has one owner: other modules ask it."""

import pathlib
import re

LAYER = pathlib.Path(__file__).resolve().parents[2]
STATE = re.compile(r'\b(set_flag|clear_flag|toggle_flag|set_state|remove_state|get_flags|kv)\(')


def test_flags_and_the_key_value_store_are_those_of_one_module_and_idle_reads_them():
    sources = [*(LAYER / 'lib' / 'image_resource').glob('*.py')]
    sources += [*(LAYER / 'lib' / 'charms').rglob('*.py'), *(LAYER / 'reactive').glob('*.py')]
    users = {path.name for path in sources if STATE.search(path.read_text())}
    assert users == {'store.py', 'idle.py'}
    idle = (LAYER / 'lib' / 'image_resource' / 'idle.py').read_text()
    assert not re.search(r'\b(un)?set\w*\(|\bupdate\(|INSERT|DELETE', idle)
