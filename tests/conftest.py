"""What every test here needs."""

import importlib.util
import os
import re
import signal

import pytest

from support import no_skips, short_run

# engines, registries and a Charmhub, where charm-image is installed
_TOOLS = ('charm_image', 'deflate', 'docker', 'keyring')
pytest_plugins = ['support.fixtures'] if all(map(importlib.util.find_spec, _TOOLS)) else []


def pytest_configure(config):
    config.pluginmanager.register(no_skips)
    config.addinivalue_line('markers', 'slow: left out of the short run, `./dev tests`')
    config.addinivalue_line('markers', 'documents: types what pages say; ./dev documents')
    config.pluginmanager.register(short_run.ShortRun(), 'short_run')
    # a script starts `./dev tests &` with SIGINT ignored, as would be what tests start
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    """Skip a module that needs more than the layer does, if that is missing; in CI it fails."""
    report = (yield).get_result()
    missing = re.search(r"No module named '(cryptography|hypothesis)'", str(report.longrepr))
    if report.failed and missing and not os.environ.get('CI'):
        report.outcome = 'skipped'
        reason = f'needs {missing.group(1)}: pip install -r tests/requirements.txt'
        report.longrepr = (str(collector.fspath), 1, reason)
