"""Hook tools that fail, and hooks that are killed when they call one."""

import signal

import pytest

import charm_unit

_SENDS = """status-set active early
echo 'containers: [{name: web, image: a}]' | pod-spec-set || exit 3
echo late"""


@pytest.fixture
def unit(charm, tmp_path):
    built = charm({'update-status': _SENDS})
    return charm_unit.Unit(built, tmp_path / 'unit', check=False, preload=False)


def test_a_hook_is_killed_when_it_calls_the_tool(unit):
    unit.kill_hooks_at('pod-spec-set')
    (run,) = unit.idle()
    assert (run.exit_code, run.output) == (-signal.SIGKILL, '')
    assert unit.status == ('error', 'hook failed: "update-status"')
    assert run.statuses == [('active', 'early')]
    assert unit.pod_spec is None


def test_a_hook_finds_that_the_tool_fails(unit):
    unit.fail_tool('pod-spec-set', "it's away")
    (run,) = unit.idle()
    assert (run.exit_code, run.output) == (3, "ERROR it's away\n")
    assert unit.pod_spec is None


@pytest.mark.parametrize('break_it', ['fail_tool', 'kill_hooks_at'])
def test_the_hook_succeeds_once_the_tool_is_repaired(unit, break_it):
    getattr(unit, break_it)('pod-spec-set')
    unit.idle()
    unit.repair_tool('pod-spec-set')
    (run,) = unit.retry()
    assert (run.exit_code, run.output) == (0, 'late\n')


def test_the_tool_is_broken_for_peers_as_well(charm, tmp_path):
    built = charm({'update-status': 'is-leader'})
    unit = charm_unit.Unit(built, tmp_path / 'unit', check=False, peers=1)
    unit.fail_tool('is-leader')
    assert [run.exit_code for run in unit.idle()] == [1, 1]


@pytest.mark.parametrize('method', ['fail_tool', 'kill_hooks_at', 'repair_tool'])
def test_a_tool_that_juju_does_not_have_is_refused(unit, method):
    with pytest.raises(charm_unit.UsageError, match='pod-spec-set'):
        getattr(unit, method)('pod-spec-sett')
