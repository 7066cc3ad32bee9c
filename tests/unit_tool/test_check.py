"""`charm-unit check`: what it says of charms with one fault each."""

import json
import xml.etree.ElementTree

import pytest

_ALL = (
    *('missing', 'sends', 'again', 'another', 'idle', 'credentials', 'bare', 'broken'),
    *('recovers', 'silent', 'leads', 'upgrade'),
)


def marks(verdicts):
    return ''.join(verdicts[name][0] for name in _ALL)


def failing(verdicts):
    return {name for name, (mark, _seen) in verdicts.items() if mark == '✗'}


def test_a_charm_without_fault_is_told_to_be_so(check):
    done = check.run(check.charm())
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    assert [line[0] for line in lines if line[:1] in '✓✗–' and line][:12] == ['✓'] * 11 + ['–']
    assert (
        '– an upgrade from an older build keeps all of this: give the older build with --from'
        in (lines)
    )
    assert '✓ says which image is missing: status blocked: no image: web' in lines


def test_every_hook_is_shown_with_what_it_did(check):
    out = check.run(check.charm()).stdout
    assert '$ juju attach-resource small web=registry.example.com/charm-unit/web:1' in out
    assert 'web: registry.example.com/charm-unit/web:charm-unit-3, as charm-unit-user' in out
    assert out.count('update-status') >= 5
    assert 'nothing changes' in out


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
        {'bare'},
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
        {'silent'},
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
    assert seen == 'not leader: install ended in error: ERROR this unit is not the leader'


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
    assert 'imports the module no_such_module, which neither' in verdicts['sends'][1]
    verdicts = check.verdicts(check.charm("call('storage-get')"))
    assert not failing(verdicts)
    assert verdicts['sends'] == ('–', 'it calls storage-get, which is not simulated')
    assert failing(check.verdicts(check.charm('raise SystemExit(1)'))) == {'sends'}


def test_a_hook_that_hangs_is_ended_and_what_it_printed_is_shown(check):
    charm = check.charm("print('asking the cloud', flush=True); import time; time.sleep(600)")
    done = check.run(charm, '--timeout', '2')
    assert done.returncode == 1
    assert '✗ sends the pod spec with the image that is attached: install hung' in done.stdout
    assert 'What install printed before it was ended:\nasking the cloud' in done.stdout


def test_reports_for_machines_say_the_same(check, tmp_path):
    junit, svg = tmp_path / 'verdicts.xml', tmp_path / 'check.svg'
    charm = check.charm("kept['taken'] = {}; live(['web'])")
    done = check.run(charm, '--format=json', '--junit', junit, '--svg', svg)
    told = json.loads(done.stdout)
    (suite,) = xml.etree.ElementTree.parse(junit).getroot()
    assert [case.get('name') for case in suite] == [
        verdict['sentence'] for verdict in told['resources']['web']['verdicts']
    ]
    assert [case.get('name') for case in suite if case.find('failure') is not None] == [
        'nothing is sent when idle'
    ]
    assert (suite.get('failures'), suite.get('skipped'), suite.get('tests')) == ('1', '1', '12')
    hooks = [
        hook['hook']
        for life in told['resources']['web']['lives']
        for step in life['steps']
        for hook in step['hooks']
    ]
    assert hooks.count('install') == 6
    picture = xml.etree.ElementTree.parse(svg)
    assert picture.getroot().tag.endswith('svg')
    assert 'idle' in svg.read_text()


@pytest.mark.parametrize(
    ('options', 'says'),
    [
        (('--config', 'colour=red'), 'the charm has no option colour'),
        (('--config', 'port'), "--config: 'port' must be of the form NAME=VALUE"),
        (('--config', 'port=many'), "option port expected int, got 'many'"),
        (('--relate', 'cache:host=x'), 'the charm has no endpoint cache'),
        (('--image', 'db=postgres'), 'the charm has no image resource db: it has web'),
        (('--file', 'web=/dev/null'), 'the charm has no file resource web'),
        (('--given', '/nowhere.yaml'), 'cannot read /nowhere.yaml: No such file'),
        (('--from', '/nowhere'), '/nowhere is not a folder'),
        (('--junit', '/nowhere/x.xml'), 'there is no folder /nowhere'),
        (('--python', 'python0'), 'there is no interpreter python0'),
        (('--juju', '4.0'), 'Juju 4.0 cannot be simulated'),
    ],
)
def test_wrong_usage_is_told_with_exit_status_2(check, options, says):
    charm = check.charm(config={'port': {'type': 'int', 'default': 80}})
    done = check.run(charm, *options)
    assert (done.returncode, done.stdout) == (2, '')
    assert says in done.stderr
    assert 'Traceback' not in done.stderr


def test_a_given_file_that_is_wrong_is_told_by_its_key(check, tmp_path):
    given = tmp_path / 'given.yaml'
    for content, says in (
        ('relations: {}', "unknown key 'relations': use config, relate, images or files"),
        ('[1]', 'its content is not a mapping'),
        ('config: 1', 'config is not a mapping'),
        ('relate: {db: 1}', 'relate.db is not a mapping'),
        ('{', 'is not valid YAML'),
    ):
        given.write_text(content)
        done = check.run(check.charm(), '--given', given)
        assert done.returncode == 2
        assert says in done.stderr


def test_another_charm_is_no_older_build(check):
    done = check.run(check.charm(), '--from', check.charm(name='other'))
    assert done.returncode == 2
    assert 'is a build of other, not of small' in done.stderr


def test_a_charm_without_images_has_nothing_to_judge(check):
    done = check.run(check.charm(resources=(), files=('site',)))
    assert done.returncode == 2
    assert 'nothing to judge' in done.stderr
    assert '`charm-unit run`' in done.stderr


def test_what_is_not_a_built_charm_is_told_how_to_become_one(check, tmp_path):
    source = tmp_path / 'source'
    (source / 'reactive').mkdir(parents=True)
    assert '`charm-build`' in check.run(source).stderr
    (source / 'src').mkdir()
    (source / 'src' / 'charm.py').touch()
    done = check.run(source)
    assert done.returncode == 2
    assert 'ops' in done.stderr
