"""A plugin for pytest: where the variable CI is set, a test that is skipped has failed.

CI is root and installs what the tests drive: a skip there would hide what is no longer tested.
"""

import os

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if os.environ.get('CI') and report.skipped and not hasattr(report, 'wasxfail'):
        _file, _line, reason = report.longrepr
        report.outcome = 'failed'
        report.longrepr = f'{item.nodeid}: CI allows no skip: {reason}'
