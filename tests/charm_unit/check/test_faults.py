"""`charm-unit check` of charms with one fault each."""

import json

import pytest

from support.small_charms import failing

_FAULTS = {
    'a status that does not name the image': (
        "live(['web']) if read('web') else status('blocked', 'an image is missing')",
        {'missing'},
    ),
    'an error without the image': ("assert read('web'); live(['web'])", {'missing', 'broken'}),
    'an image of its own': (
        "live(['web'], containers=lambda found: [{'name': 'web', 'image': 'nginx'}])",
        {'sends'},
    ),
    'another pod spec each time': (
        """
if hook == 'upgrade-charm':
    kept['taken'] = {}
live(['web'], containers=lambda found: [
    {**container('web', found['web']), 'config': {'SECRET': os.urandom(8).hex()}}])
""",
        {'again'},
    ),
    'only the first image': (
        """
if kept['taken'] and read('web'):
    status('active')
else:
    live(['web'])
""",
        {'another', 'credentials'},
    ),
    'the same in each hook': ("kept['taken'] = {}; live(['web'])", {'idle'}),
    'no credentials': (
        "live(['web'], containers=lambda found: "
        "[{'name': 'web', 'imageDetails': {'imagePath': found['web']['path']}}])",
        {'credentials'},
    ),
    'credentials that it must have': (
        """
if read('web'):
    pairs(text('web'))['username']
live(['web'])
""",
        {'details_without_credentials'},
    ),
    'any reference': (
        """
read_well = read
def read(name):
    found = text(name) or ''
    if '://' in found:
        return {'path': pairs(found)['registrypath'], 'username': '', 'password': ''}
    return read_well(name)
live(['web'])
""",
        {'broken'},
    ),
    'no second attempt': (
        """
if hook == 'update-status':
    pass
else:
    live(['web'])
""",
        {'recovers'},
    ),
    'a talkative log': (
        "call('juju-log', 'read ' + str(read('web'))); live(['web'])",
        {'no_password_shown'},
    ),
    'no thought of the leader': ("leads = lambda: True; live(['web'])", {'leads'}),
    'what it forgets when it leads': (
        """
if not leads():
    kept['taken'] = {'web': read('web')}
if kept['taken'] and hook in ('leader-elected', 'update-status'):
    status('active')
else:
    live(['web'])
""",
        {'leads', 'recovers'},
    ),
}


@pytest.mark.parametrize('fault', _FAULTS)
def test_a_fault_is_found_and_no_other_is(check, fault):
    body, found = _FAULTS[fault]
    verdicts = check.verdicts(check.charm(body))
    assert failing(verdicts) == found, verdicts


def test_the_exit_status_is_1_with_a_fault_and_what_was_seen_is_told(check):
    done = check.run(check.charm("kept['taken'] = {}; live(['web'])"))
    assert done.returncode == 1
    assert (
        '✗ nothing is sent when idle: update-status sends the pod spec '
        '(after: deploy with the image)'
    ) in done.stdout.splitlines()


def test_a_password_that_is_shown_is_not_shown_by_the_command(check):
    done = check.run(check.charm("print(read('web')); live(['web'])"), '--format=json')
    seen = json.loads(done.stdout)['resources']['web']['verdicts'][9]['seen']
    assert seen.startswith('in the output of ')
    assert '***' in seen
    assert 'open-sesame' not in done.stdout
    assert 'open-barley' not in done.stdout
