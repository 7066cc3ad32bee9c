"""`python -m charm_unit`: the command charm-unit."""

import sys

from charm_unit._commands import cli

if __name__ == '__main__':
    sys.exit(cli.main())
