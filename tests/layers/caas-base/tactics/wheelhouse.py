"""`charm build` runs this."""

from charmtools import utils
from charmtools.build import tactics


class CAASWheelhouseTactic(tactics.WheelhouseTactic):
    """Installs what wheelhouse.txt names into the charm's lib: its units have no pip.

    Like the real one, it accepts no constraints, which charm-tools 3.0.9 passes unless told `-W`.
    """

    @property
    def dest(self):
        """The folder in the built charm."""
        return self.target.directory / 'lib'

    def _add(self, wheelhouse, *reqs):
        with utils.tempdir(chdir=False) as folder:
            utils.Process(('pip3', 'install', '-t', str(folder), *reqs)).exit_on_error()()
            for found in [*folder.walkdirs('__pycache__'), *folder.walkdirs('*.dist-info')]:
                found.rmtree_p()
            self.tracked.extend(self.dest / file.relpath(folder) for file in folder.walkfiles())
            folder.merge_tree(self.dest)
