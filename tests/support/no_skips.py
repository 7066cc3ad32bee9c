"""A plugin for pytest: where the variable CI is set, a test that is skipped has failed.

CI is root and installs what the tests drive: a skip there would hide what is no longer tested.
tests/conftest.py registers it for all tests, on each Python from 3.6 on; those of the examples are
run with it.
"""

import os

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    _refuse(outcome.get_result(), item)


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    outcome = yield
    _refuse(outcome.get_result(), collector)


def _refuse(report, node):
    if os.environ.get('CI') and report.skipped and not hasattr(report, 'wasxfail'):
        _file, _line, reason = report.longrepr
        report.outcome = 'failed'
        report.longrepr = f'{node.nodeid}: CI allows no skip: {reason}'
