"""A plugin for pytest: leaves out slow tests where the variable TESTS is `short`.

A test is slow by `@pytest.mark.slow`, and all of a module by `pytestmark`. Of a test with many
cases, the first two are run, with each engine; all of them in tests/unit, where a case takes
milliseconds. The last lines of a run say what was left out, and how many tests were skipped for
what reason. tests/conftest.py registers it.
"""

import collections
import os

import pytest

_CASES = 2
_ALL_CASES = 'tests/unit/'


def is_short():
    return os.environ.get('TESTS') == 'short'


class ShortRun:
    """What one run of pytest leaves out; where xdist has workers, these tell it."""

    def __init__(self):
        self._left_out = {}  # number of tests by module

    def pytest_collection_modifyitems(self, config, items):
        if not is_short():
            return
        kept, left_out = _sort(items)
        if left_out:
            items[:] = kept
            config.hook.pytest_deselected(items=left_out)
            self._left_out = collections.Counter(
                item.nodeid.partition('::')[0] for item in left_out
            )

    def pytest_sessionfinish(self, session):
        if hasattr(session.config, 'workeroutput'):
            session.config.workeroutput['left_out'] = dict(self._left_out)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node, error):
        self._left_out = getattr(node, 'workeroutput', {}).get('left_out', self._left_out)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter):
        for reason, count in _reasons(terminalreporter.stats.get('skipped', ())):
            terminalreporter.write_line(f'skipped: {count} × {reason}')
        if self._left_out:
            modules = ', '.join(f'{name} ({n})' for name, n in sorted(self._left_out.items()))
            terminalreporter.write_line(
                f'left out: {sum(self._left_out.values())} slow tests, and cases of others, which '
                f'`./dev tests all` has: {modules}'
            )


def _sort(items):
    """Return the items that are run, and those that are not."""
    kept, left_out = [], []
    cases = collections.Counter()
    for item in items:
        params = item.callspec.params if hasattr(item, 'callspec') else {}
        test = item.nodeid.partition('[')[0], params.get('each_engine')
        cases[test] += 1
        is_one_more = cases[test] > _CASES and not item.nodeid.startswith(_ALL_CASES)
        is_slow = item.get_closest_marker('slow')
        (left_out if is_slow or is_one_more else kept).append(item)
    return kept, left_out


def _reasons(reports):
    """Return each reason with the number of tests that it skipped."""
    counted = collections.Counter(
        str(report.longrepr[2]).replace('Skipped: ', '', 1) for report in reports
    )
    return sorted(counted.items())
