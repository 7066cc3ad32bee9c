"""`charm-unit check`: when a requirement is met, and when it could not be checked."""

import pytest

from support.small_charms import failing, marks

pytestmark = pytest.mark.slow


def test_a_charm_without_fault_is_told_to_be_so(check):
    done = check.run(check.charm())
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    assert [line[0] for line in lines if line[:1] in '✓✗–' and line][:12] == ['✓'] * 11 + ['–']
    sentence = 'all of this also holds after an upgrade from an older build'
    assert f'– {sentence}: pass the older build to --from' in lines
    assert '✓ says which image is missing: status blocked: no image: web' in lines


def test_every_hook_is_shown_with_what_it_did(check):
    out = check.run(check.charm()).stdout
    assert '$ juju attach-resource small web=registry.example.com/charm-unit/web:1' in out
    assert 'web: registry.example.com/charm-unit/web:charm-unit-3, as charm-unit-user' in out
    assert out.count('update-status') >= 5
    assert 'no changes' in out


def test_what_a_charm_waits_for_is_named_from_its_status_and_not_a_fault(check):
    body = """
def ready():
    if not option('secret'):
        status('blocked', 'set the option secret')
    elif not related('database'):
        status('waiting', 'the database')
    else:
        return True
live(['web'], ready)
"""
    charm = check.charm(
        body,
        config={'secret': {'type': 'string'}, 'port': {'type': 'int', 'default': 80}},
        requires=('database',),
    )
    verdicts = check.verdicts(charm)
    assert not failing(verdicts)
    assert verdicts['missing'][0] == '✓'
    assert verdicts['sends'] == (
        '–',
        'it waits for: set the option secret '
        '(not related: database; options without a value: secret)',
    )
    verdicts = check.verdicts(charm, '--config', 'secret=x')
    assert verdicts['sends'] == (
        '–',
        'it waits for: the database (not related: database)',
    )
    verdicts = check.verdicts(charm, '--config', 'secret=x', '--relate', 'database:host=db,port=1')
    assert marks(verdicts) == '✓' * 11 + '–'


def test_a_file_says_all_that_the_options_say(check, tmp_path):
    (tmp_path / 'site.tar').write_bytes(b'site')
    given = tmp_path / 'given.yaml'
    given.write_text(
        'config: {secret: x}\nrelate: {database: {host: db, port: 3306}}\n'
        'images: {web: "nginx:1.27"}\nfiles: {site: site.tar}\n'
    )
    body = """
def ready():
    site = pathlib.Path(call('resource-get', 'site')).read_bytes() == b'site'
    ids = related('database')
    said = ids and json.loads(
        call('relation-get', '--format=json', '-r', ids[0], '-', 'remote-database/0'))
    return option('secret') == 'x' and site and said and said['port'] == '3306'
live(['web'], ready)
"""
    charm = check.charm(
        body, config={'secret': {'type': 'string'}}, requires=('database',), files=('site',)
    )
    done = check.run(charm, '--given', given)
    assert done.returncode == 0, done.stdout
    assert 'web=nginx:1.27' in done.stdout
    assert 'web: nginx:charm-unit-2' in done.stdout


def test_a_charm_without_update_status_is_judged_too(check):
    charm = check.charm()
    (charm / 'hooks' / 'update-status').unlink()
    verdicts = check.verdicts(charm)
    assert failing(verdicts) == {'recovers'}
    assert verdicts['idle'] == ('✓', '')


def test_what_a_hook_tool_said_is_told_of_a_hook_that_it_failed(check):
    seen = check.verdicts(check.charm("leads = lambda: True; live(['web'])"))['leads'][1]
    failed = 'install ended in error: ERROR this unit is not the leader'
    assert seen == f'on a unit that is not the leader: {failed}'


def test_each_image_is_judged_while_the_others_are_good(check):
    body = """
found = {'web': read('web')}
if read('proxy') is None:
    raise SystemExit('no proxy')
live(['web', 'proxy'])
"""
    charm = check.charm(body, resources=('web', 'proxy'))
    assert marks(check.verdicts(charm, resource='web')) == '✓' * 11 + '–'
    assert check.verdicts(charm, resource='proxy')['missing'] == (
        '✗',
        'install ended in error: no proxy',
    )


def test_an_image_anywhere_in_the_pod_spec_counts(check):
    body = """
live(['web'], containers=lambda found: [
    {**container('main', found['web']), 'image': ''},
    {'name': 'agent', 'image': 'agent:1', 'config': {'RUNS': found['web']['path']}},
])
"""
    assert marks(check.verdicts(check.charm(body))) == '✓' * 11 + '–'
    body = body.replace("{**container('main', found['web']), 'image': ''},", '')
    assert failing(check.verdicts(check.charm(body))) == {'credentials'}


def test_an_upgrade_that_loses_what_the_older_build_knew_is_found(check):
    older = check.charm()
    assert check.verdicts(check.charm(), '--from', older)['upgrade'] == ('✓', '')
    forgets = """
if hook == 'upgrade-charm' and 'mine' not in kept:
    raise SystemExit('what is this?')
kept['mine'] = True
live(['web'])
"""
    verdicts = check.verdicts(check.charm(forgets), '--from', older)
    assert failing(verdicts) == {'upgrade'}
    assert 'upgrade-charm ended in error: what is this?' in verdicts['upgrade'][1]


def test_an_older_build_that_fails_by_itself_tells_nothing_of_the_upgrade(check):
    older = check.charm("raise SystemExit('too old')")
    assert check.verdicts(check.charm(), '--from', older)['upgrade'] == (
        '–',
        'in the older build, install ended in error: too old',
    )


def test_what_the_machine_lacks_is_not_the_charms_fault(check):
    verdicts = check.verdicts(check.charm('import no_such_module'))
    assert not failing(verdicts)
    assert 'imports the module no_such_module, which is missing' in verdicts['sends'][1]
    verdicts = check.verdicts(check.charm("call('juju-reboot')"))
    assert not failing(verdicts)
    assert verdicts['sends'] == ('–', 'it calls juju-reboot, which is not simulated')
    assert failing(check.verdicts(check.charm('raise SystemExit(1)'))) == {'sends'}


def test_a_hook_that_hangs_is_ended_and_what_it_printed_is_shown(check):
    charm = check.charm("print('asking the cloud', flush=True); import time; time.sleep(600)")
    done = check.run(charm, '--timeout', '10')
    assert done.returncode == 1
    assert '✗ sends the pod spec with the image that is attached: install timed out' in done.stdout
    assert 'Output of install until the time limit:\nasking the cloud' in done.stdout


_HANDLERS = """
from charms.reactive import set_flag, when, when_not

@when('layer.docker-resource.web.availble', 'database.available', 'config.set.port')
@when_not('charm.started')
def start():
    set_flag('charm.started')

@when('charm.stared')
def report():
    pass
"""


def test_a_charm_that_sends_nothing_with_nothing_to_wait_for_is_at_fault(check):
    charm = check.charm("read('web')")
    verdicts = check.verdicts(charm)
    assert failing(verdicts) == {'sends'}
    assert verdicts['sends'][1] == (
        'no pod spec was sent, and no relation or option is missing; '
        'status waiting: installing agent'
    )


def test_flags_that_no_hook_sets_are_named_with_the_nearest(check):
    charm = check.charm("read('web'); status('active')", requires=('database',))
    (charm / 'reactive').mkdir()
    (charm / 'reactive' / 'small.py').write_text(_HANDLERS)
    (charm / 'lib' / 'charms' / 'layer').mkdir()
    (charm / 'lib' / 'charms' / 'layer' / 'docker_resource.py').touch()
    mark, seen = check.verdicts(charm)['sends']
    assert mark == '✗'
    assert (
        'handlers wait for flags that no hook sets: layer.docker-resource.web.availble '
        '(is it layer.docker-resource.web.available?), charm.stared'
    ) in seen
    # without the misspelt flag, it may wait for the relation
    file = charm / 'reactive' / 'small.py'
    file.write_text(_HANDLERS.replace('availble', 'available'))
    assert check.verdicts(charm)['sends'][0] == '–'


def test_an_image_that_no_hook_asks_for_is_told_how_to_fetch(check):
    charm = check.charm("status('active')")
    (charm / 'lib' / 'charms' / 'layer').mkdir()
    (charm / 'lib' / 'charms' / 'layer' / 'docker_resource.py').touch()
    verdicts = check.verdicts(charm)
    remedy = (
        'no hook calls resource-get for it: add `auto-fetch: true` to it in metadata.yaml, '
        "or call fetch('web')"
    )
    assert verdicts['sends'][0] == '✗'
    assert remedy in verdicts['sends'][1]
    assert verdicts['missing'] == ('–', f'{remedy}; status active without a message')
