"""What an operator does brings the hooks that Juju runs, in Juju's environment."""

import math
import os
import re
import shutil
import subprocess
import sys

import pytest

import charm_unit

ALL = ('leader-elected', 'start', 'leader-settings-changed')
DB = tuple(
    f'db-relation-{name}' for name in ('created', 'joined', 'changed', 'departed', 'broken')
)
DETAILS = "registrypath: a/b:1\nusername: ''\npassword: ''\n"


def _hooks(runs):
    return [run.hook for run in runs]


def test_a_unit_is_deployed_with_the_hooks_of_juju(charm):
    with charm_unit.Unit(charm(dict.fromkeys(ALL, '')), deploy=False) as unit:
        assert _hooks(unit.deploy()) == ['install', 'leader-elected', 'config-changed', 'start']
    with charm_unit.Unit(charm(dict.fromkeys(ALL, '')), leader=False, deploy=False) as unit:
        assert _hooks(unit.deploy())[1] == 'leader-settings-changed'
        assert _hooks(unit.become_leader()) == ['leader-elected']
        assert unit.leader
        assert _hooks(unit.lose_leadership()) == ['leader-settings-changed']
        assert not unit.leader


def test_hooks_that_a_charm_does_not_have_are_passed_over(charm):
    with charm_unit.Unit(charm(), deploy=False) as unit:
        assert _hooks(unit.deploy()) == ['install', 'config-changed']


@pytest.mark.parametrize(
    ('juju', 'hooks'), [('2.6.9', ['upgrade-charm', 'config-changed']), ('2.6.8', [])]
)
def test_an_image_that_is_attached_brings_the_hooks_of_that_juju(charm, juju, hooks):
    with charm_unit.Unit(charm(), juju=juju) as unit:
        assert _hooks(unit.attach('web', 'a/b:1')) == hooks


@pytest.mark.parametrize('juju', ['2.4.7', '4.0.0', 'new'])
def test_a_juju_without_pod_specs_cannot_be_simulated(charm, juju):
    with pytest.raises(charm_unit.UsageError, match='Juju'):
        charm_unit.Unit(charm(), juju=juju)


def test_units_join_say_something_depart_and_the_relation_breaks(charm, say):
    with charm_unit.Unit(charm(dict.fromkeys(DB, ''), requires={'db': {}})) as unit:
        created, joined, changed = DB[:3]
        assert _hooks(unit.relate('db', 'mysql/0', {'host': 'a'})) == [created, joined, changed]
        assert _hooks(unit.relate('db', 'mysql/0', {'host': 'a'})) == []
        assert _hooks(unit.relate('db', 'mysql/0', {'host': 'b'})) == [changed]
        assert _hooks(unit.relate('db', 'mysql/1', {})) == [joined, changed]
        run = say('relation-list -r db:0; relation-get -r 0 host mysql/0', unit=unit)
        assert run.output == 'mysql/0\nmysql/1\nb\n'
        assert _hooks(unit.depart('db', 'mysql/1')) == ['db-relation-departed']
        assert _hooks(unit.break_relation('db')) == ['db-relation-departed', 'db-relation-broken']
        assert unit.relations == {}


def test_a_remote_unit_is_listed_from_the_hook_of_its_joining_on(charm):
    hooks = dict.fromkeys(('install', 'start', *DB), 'relation-list -r db:0')
    with charm_unit.Unit(charm(hooks, requires={'db': {}}), deploy=False) as unit:
        unit.relate('db', 'mysql/0')
        listed = {run.hook: run.output for run in unit.deploy()}
        assert {hook for hook, units in listed.items() if units} == set(DB[1:3])
        assert [run.output for run in unit.break_relation('db')] == ['', '']
    with charm_unit.Unit(
        charm({'start': hooks['start']}, 'b', requires={'db': {}}), deploy=False
    ) as unit:
        unit.relate('db', 'mysql/0')  # without a hook for it
        unit.deploy()
        assert unit.run('start')[-1].output == 'mysql/0\n'
        unit.depart('db', 'mysql/0')
        assert unit.run('start')[-1].output == ''


def test_a_relation_hook_knows_who_spoke(charm):
    told = 'echo $JUJU_RELATION_ID $JUJU_REMOTE_UNIT $JUJU_REMOTE_APP $JUJU_DEPARTING_UNIT'
    with charm_unit.Unit(charm(dict.fromkeys(DB, told), requires={'db': {}})) as unit:
        assert unit.relate('db', 'mysql/2')[-1].output == 'db:0 mysql/2 mysql\n'
        departed, broken = unit.break_relation('db')
        assert departed.output == 'db:0 mysql/2 mysql mysql/2\n'
        assert broken.output == 'db:0 mysql\n'


def test_what_the_charm_does_not_have_is_named(charm):
    with charm_unit.Unit(
        charm(requires={'db': {}}, config={'port': {'type': 'int'}}), deploy=False
    ) as unit:
        for call in (
            lambda: unit.configure(prot=1),
            lambda: unit.relate('bd'),
            lambda: unit.run_action('backup'),
            lambda: unit.run('start'),
            lambda: unit.attach('wbe', 'a/b:1'),
            lambda: unit.detach('wbe'),
            lambda: unit.fail_resource_get('wbe'),
            lambda: unit.upgrade(images={'wbe': 'a/b:1'}),
        ):
            with pytest.raises(charm_unit.UsageError, match='the charm has no '):
                call()
        with pytest.raises(charm_unit.UsageError, match='option "port" expected int'):
            unit.configure(port='eighty')
        unit.configure(port='80')
        assert unit.config == {'port': 80}


def test_after_a_failed_hook_no_other_runs_until_it_succeeds(charm, tmp_path):
    stumble = f'test -e {tmp_path}/repaired'
    with charm_unit.Unit(charm({'upgrade-charm': stumble}), check=False) as unit:
        assert _hooks(unit.attach('web', 'a/b:1')) == ['upgrade-charm']
        assert unit.failed == 'upgrade-charm'
        assert unit.status == ('error', 'hook failed: "upgrade-charm"')
        assert unit.idle()[-1].hook == 'upgrade-charm'
        (tmp_path / 'repaired').touch()
        assert unit.idle()[-1].hook == 'config-changed'
        assert unit.failed is None
        (tmp_path / 'repaired').unlink()
        unit.upgrade()
        assert _hooks(unit.resolve()) == ['config-changed']


def test_a_hook_that_hangs_is_ended_with_what_it_printed(charm):
    with charm_unit.Unit(
        charm({'install': 'echo so far; sleep 600; echo on'}), timeout=5, deploy=False
    ) as unit:
        with pytest.raises(
            charm_unit.HookFailedError, match='timed out after(.|\n)*so far'
        ) as caught:
            unit.deploy()
        assert caught.value.run.timed_out


@pytest.mark.parametrize('break_it', ['fail', 'hang', 'slow'])
def test_resource_get_fails_hangs_or_is_slow(charm, say, break_it):
    with charm_unit.Unit(charm(), resources={'web': 'a/b:1'}) as unit:
        ask = 'cat $(timeout 3 resource-get web) </dev/null; echo $?'
        assert say(ask, unit=unit).output == DETAILS + '0\n'
        if break_it == 'fail':
            unit.fail_resource_get('web', "it's down")
            assert "ERROR could not download resource: it's down" in say(ask, unit=unit).output
        elif break_it == 'hang':
            unit.slow_resource_get('web', math.inf)
            assert say('timeout 1 resource-get web; echo $?', unit=unit).output == '124\n'
        else:
            unit.slow_resource_get('web', 0.2)
            assert say(ask, unit=unit).output == DETAILS + '0\n'
        before = say(ask, unit=unit).output
        unit.attach('web', 'a/b:2', run_hooks=False)
        assert say(ask, unit=unit).output == before.replace('a/b:1', 'a/b:2')
        unit.repair_resource_get('web')
        assert say(ask, unit=unit).output == DETAILS.replace('a/b:1', 'a/b:2') + '0\n'


def test_an_action_gives_results_and_may_fail(charm):
    script = (
        'action-log begun; action-set size.mb=$(action-get mb); '
        'test $(action-get mb) = 5 || action-fail big'
    )
    actions = {'backup': {'params': {'mb': {'type': 'integer', 'default': 5}}}}
    with charm_unit.Unit(charm({'backup': script}, actions=actions), deploy=False) as unit:
        result = unit.run_action('backup')[-1].action
        assert (result.status, result.results) == ('completed', {'size': {'mb': '5'}})
        assert result.log == ['begun']
        result = unit.run_action('backup', {'mb': 6})[-1].action
        assert (result.status, result.message) == ('failed', 'big')


def test_a_hook_writes_into_the_units_own_home_and_temporary_folder(charm):
    script = 'echo x >$HOME/x; mktemp; touch ../beside; echo $JUJU_UNIT_NAME $JUJU_VERSION'
    with charm_unit.Unit(charm({'install': script}), juju='2.9.31', deploy=False) as unit:
        temporary, told = unit.run('install')[-1].output.split('\n')[:2]
        assert temporary.startswith(f'{unit.folder}/tmp/')
        assert told == 'tested/0 2.9.31'
        assert (unit.folder / 'home' / 'x').exists()
    assert not unit.folder.exists()


def test_programs_that_would_change_the_machine_are_not_run(charm):
    with charm_unit.Unit(
        charm({'install': 'apt-get install -y x && systemctl stop y'}), deploy=False
    ) as unit:
        assert unit.run('install')[-1].output == (
            'charm-unit: not run: apt-get install -y x\ncharm-unit: not run: systemctl stop y\n'
        )


def test_a_hook_runs_with_the_interpreter_that_is_asked_for(charm):
    built = charm()
    script = built / 'hooks' / 'install'
    script.write_text(
        '#!/usr/local/sbin/charm-env python3\nimport sys, platform\n'
        'print(sys.version_info[:2], platform.linux_distribution()[0])\n'
    )
    with charm_unit.Unit(built, python=sys.executable, deploy=False) as unit:
        assert unit.run('install')[-1].output == f'{sys.version_info[:2]} Ubuntu\n'
    with pytest.raises(
        charm_unit.CharmEnvironmentError, match='interpreter python9 does not exist'
    ):
        charm_unit.Unit(built, python='python9')


@pytest.mark.parametrize(
    ('script', 'mode', 'code', 'reason'),
    [
        ('#!/no/such/program\n', 0o755, 127, "No such file or directory .*'#!/no/such/program'"),
        ('#!"/bin/sh\n', 0o755, 127, 'No such file or directory .*"/bin/sh'),
        ('true\n', 0o755, 126, 'must name an interpreter, as in #!/bin/sh'),
        ('', 0o755, 126, 'must name an interpreter, as in #!/bin/sh'),
    ],
)
def test_what_cannot_be_started_has_failed_with_the_reason(charm, script, mode, code, reason):
    built = charm(actions={'backup': {}})
    for file in (built / 'hooks' / 'install', built / 'actions' / 'backup'):
        file.write_text(script)
        file.chmod(mode)
    with charm_unit.Unit(built, check=False, deploy=False) as unit:
        for run in (*unit.run_action('backup'), *unit.run('install')):
            assert run.exit_code == code
            assert re.fullmatch(f'charm-unit: .* cannot be run: .*{reason}.*\n', run.output)
        assert unit.status == ('error', 'hook failed: "install"')


def test_a_hook_is_made_executable_as_by_juju_and_an_action_is_not(charm):
    built = charm({'backup': ''}, actions={'backup': {}})
    for file in (built / 'hooks' / 'install', built / 'actions' / 'backup'):
        file.chmod(0o644)
    with charm_unit.Unit(built, check=False, deploy=False) as unit:
        assert unit.run('install')[-1].exit_code == 0
        (run,) = unit.run_action('backup')
    assert run.exit_code == 126
    assert 'backup cannot be run: it is not executable: chmod +x it' in run.output
    assert (built / 'hooks' / 'install').stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    'first', ['/usr/bin/python3 -u', '/usr/bin/env -S python3 -u', '/no/env python3 -u']
)
def test_a_python_is_found_in_any_word_of_the_first_line(charm, first):
    built = charm()
    script = built / 'hooks' / 'install'
    script.write_text(f'#!{first}\nimport sys\nprint(sys.executable, sys.stdout.write_through)\n')
    with charm_unit.Unit(built, deploy=False) as unit:
        executable, unbuffered = unit.run('install')[-1].output.split()
        assert executable.startswith(str(unit.folder))
        assert unbuffered == 'True'


def test_an_upgrade_keeps_what_hooks_wrote_and_drops_what_the_build_had(charm):
    first = charm({'start': 'echo kept >mine'})
    (first / 'old').touch()
    second = charm({'start': 'cat mine; ls'}, folder='second')
    with charm_unit.Unit(first) as unit:
        unit.upgrade(second)
        listed = unit.run('start')[-1].output.split('\n')
    assert listed[0] == 'kept'
    assert 'old' not in listed


@pytest.mark.parametrize(
    ('files', 'words'),
    [
        ((), 'run `charm-build`'),
        (('layer.yaml', 'metadata.yaml'), 'the source of a charm: run `charm-build`'),
        (('src/charm.py', 'metadata.yaml'), 'ops framework'),
        (('venv/ops/main.py', 'dispatch', 'metadata.yaml'), 'ops framework'),
        (('hooks/install', 'metadata.yaml'), "plain hooks .hooks/install begins with ''"),
        (('dispatch', 'metadata.yaml'), 'dispatch script'),
        (('charmcraft.yaml',), 'charmcraft project'),
    ],
)
def test_a_folder_without_a_built_charm_is_told_what_it_is(tmp_path, files, words):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    with pytest.raises(charm_unit.NotABuiltCharmError, match=words):
        charm_unit.Unit(tmp_path)


def test_a_charm_without_its_framework_is_told_what_it_lacks(charm, tmp_path):
    built = charm()
    shutil.rmtree(built / 'lib' / 'charmhelpers')
    environment = tmp_path / 'bare'
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', environment], check=True)
    with pytest.raises(charm_unit.CharmEnvironmentError, match='charmhelpers: missing from'):
        charm_unit.Unit(built, python=environment / 'bin' / 'python')


def test_only_its_own_user_gets_into_a_unit(charm, tmp_path):
    """Hook tools run what they read from its pipes, and it has the passwords of images."""
    folder = tmp_path / 'shared'
    folder.mkdir(mode=0o777)
    script = 'cd ../../..; find calls -type p -perm /077; stat -c %a . calls'
    with charm_unit.Unit(charm({'install': script}), folder) as unit:
        assert unit.runs[0].output == '700\n700\n'


def test_a_folder_of_another_user_is_refused(charm, tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'geteuid', lambda: os.stat(tmp_path).st_uid + 1)
    with pytest.raises(charm_unit.UsageError, match='belongs to a different user'):
        charm_unit.Unit(charm(), tmp_path)


def test_a_unit_and_its_runs_show_what_they_are(charm):
    with charm_unit.Unit(charm({'install': 'status-set active ready'})) as unit:
        shown = f"<charm_unit.Unit tested/0 of {unit.built.folder}: status=('active', 'ready'), "
        assert repr(unit) == f"{shown}last hook='config-changed'>"
        assert repr(unit.runs[0]) == (
            "<charm_unit.Run install: exit code 0, status=('active', 'ready')>"
        )


def test_a_unit_is_deployed_once(charm):
    with charm_unit.Unit(charm()) as unit, pytest.raises(charm_unit.UsageError, match='deploy=F'):
        unit.deploy()
