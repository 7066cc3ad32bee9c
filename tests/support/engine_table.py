"""What holds with which engine: a table at the end of the tests, one line for each engine."""

import collections

import pytest

_ENGINE, _COLUMN = 'engine', 'holds'


class EngineTable:
    """The plugin of pytest that draws it; `names` are the kinds of engines that were asked for."""

    def __init__(self, names):
        self.names = names
        self.versions = {}  # of those that were started
        self._cells = collections.defaultdict(collections.Counter)  # (engine, column) to outcomes

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        for item in items:
            if 'each_engine' in item.fixturenames:
                kind = item.callspec.params['each_engine']
                mark = item.get_closest_marker(_COLUMN)
                column = mark.args[0] if mark else item.path.stem.removeprefix('test_')
                item.user_properties += [(_ENGINE, kind), (_COLUMN, column)]

    def pytest_runtest_logreport(self, report):
        told = dict(report.user_properties)
        if _ENGINE in told and (report.when == 'call' or not report.passed):
            self._cells[told[_ENGINE], told[_COLUMN]][report.outcome] += 1

    def pytest_sessionfinish(self, session):
        if hasattr(session.config, 'workeroutput'):
            session.config.workeroutput['versions'] = self.versions
            return
        ran = {name for (name, _), outcomes in self._cells.items() if outcomes['passed']}
        option = session.config.option
        if option.markexpr == 'engine' and not option.keyword and ran != set(self.names):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node, error):
        self.versions.update(getattr(node, 'workeroutput', {}).get('versions', {}))

    def pytest_terminal_summary(self, terminalreporter):
        if not self._cells:
            return
        columns = sorted({column for _, column in self._cells})
        rows = [['engine', *columns]]
        rows += [
            [self.versions.get(name, f'{name}: not started')]
            + [_told(self._cells[name, column]) for column in columns]
            for name in self.names
            if any(self._cells[name, column] for column in columns)
        ]
        terminalreporter.section('engines: how many tests hold')
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            terminalreporter.write_line('  '.join(cells).rstrip())


def _told(outcomes):
    if not outcomes:
        return '-'
    held, all_ = outcomes['passed'], outcomes.total()
    return str(held) if held == all_ else f'{held} of {all_}'
