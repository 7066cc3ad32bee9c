"""What `charm-unit check` takes, and what it writes for machines."""

import json
import xml.etree.ElementTree

import pytest


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
        for scenario in told['resources']['web']['runs']
        for step in scenario['steps']
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
        (('--config', 'port'), '--config: expected "key=value", got "port"'),
        (('--config', 'port=many'), 'option "port" expected int, got "many"'),
        (('--relate', 'cache:host=x'), 'the charm has no endpoint cache'),
        (('--image', 'db=postgres'), 'the charm has no image resource db: it has web'),
        (('--file', 'web=/dev/null'), 'the charm has no file resource web'),
        (('--given', '/nowhere.yaml'), 'cannot read /nowhere.yaml: No such file'),
        (('--from', '/nowhere'), '/nowhere is not a folder'),
        (('--junit', '/nowhere/x.xml'), 'the folder /nowhere does not exist'),
        (('--python', 'python0'), 'the interpreter python0 does not exist'),
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
    assert 'nothing to check' in done.stderr
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
