"""No content whatsoever makes a hook fail, shows a credential, or leaves a flag in between."""

import hypothesis
import pytest
from hypothesis import strategies

import charm_unit
from support import contents_cases
from support.observing import IMAGE, OBSERVER, images, seen

pytestmark = pytest.mark.slow

NAMES = [f'image-{number}' for number in range(40)]
_KNOWN = [content for content, _ in contents_cases.RIGHT.values()]
_KNOWN += [content for content in contents_cases.WRONG.values() if len(content) < 1000]


@strategies.composite
def damaged(draw):
    """Return content that was right or wrong in a known way, before something happened to it."""
    content = draw(strategies.sampled_from(_KNOWN))
    begin = draw(strategies.integers(0, len(content)))
    end = draw(strategies.integers(begin, min(begin + 8, len(content))))
    put = draw(
        strategies.sampled_from(
            [
                b'',
                b'\x00',
                b'\xff',
                b'\n',
                b'&a ',
                b'*a ',
                b'!!',
                b'<<: ',
                b'---\n',
                b'{',
                b'"',
                b'\\',
            ]
        )
        | strategies.binary(max_size=8)
    )
    return content[:begin] + put + content[end:]


CONTENTS = strategies.one_of(
    damaged(),
    damaged(),
    strategies.binary(max_size=200),
    strategies.text(max_size=200).map(lambda text: text.encode('utf-8', 'surrogatepass')),
)


@hypothesis.settings(max_examples=6, deadline=None, database=None)
@hypothesis.given(strategies.lists(CONTENTS, min_size=len(NAMES), max_size=len(NAMES)))
def test_whatever_resources_hold_the_hook_goes_well(charms, tmp_path_factory, contents):
    charm = charms.make(resources=dict.fromkeys(NAMES, IMAGE), reactive=OBSERVER)
    subject = charm_unit.Unit(charm, tmp_path_factory.mktemp('unit'), deploy=False)
    for name, content in zip(NAMES, contents):
        subject.attach(name, content)
    (install,) = subject.run('install')
    states = {name: frozenset(seen(install, name)) for name in NAMES}
    assert set(states.values()) <= {
        frozenset({'fetched', 'available'}),
        frozenset({'fetched', 'failed'}),
    }
    failed = [name for name in NAMES if 'failed' in states[name]]
    assert (subject.status[0] == 'blocked') == bool(failed)
    assert all(name in subject.status[1] for name in failed)
    shown = images(install.pod_spec)
    assert set(shown) == set(NAMES) - set(failed)
    # Damage may have made a reference of what was a password.
    if not any(contents_cases.SECRET in path for path, _, _ in shown.values()):
        assert contents_cases.SECRET not in install.public_output
