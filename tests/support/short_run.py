"""A plugin for pytest: leaves out slow tests where the variable TESTS is `short`.

A test is slow by `@pytest.mark.slow`, and all of a module by `pytestmark`. The last lines of a run
say what was left out, and how many tests were skipped for what reason. tests/conftest.py registers
it.
"""

import collections
import os

import pytest


def is_short():
    return os.environ.get('TESTS') == 'short'


class ShortRun:
    """What one run of pytest leaves out; where xdist has workers, these tell it."""

    def __init__(self):
        self._left_out = {}  # number of tests by module

    def pytest_collection_modifyitems(self, config, items):
        if not is_short():
            return
        slow = [item for item in items if item.get_closest_marker('slow')]
        if slow:
            items[:] = [item for item in items if not item.get_closest_marker('slow')]
            config.hook.pytest_deselected(items=slow)
            self._left_out = collections.Counter(item.nodeid.partition('::')[0] for item in slow)

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
                f'left out: {sum(self._left_out.values())} slow tests, which '
                f'`./dev tests all` has: {modules}'
            )


def _reasons(reports):
    """Return each reason with the number of tests that it skipped."""
    counted = collections.Counter(
        str(report.longrepr[2]).replace('Skipped: ', '', 1) for report in reports
    )
    return sorted(counted.items())
