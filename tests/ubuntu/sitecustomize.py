"""Tells charmhelpers that this machine is an Ubuntu, as a unit of a charm is.

On import it chooses its modules by platform and knows only Ubuntu and CentOS: on Debian, or any
other machine a developer has, `import charmhelpers.core.hookenv` raises RuntimeError. It prefers
`platform.linux_distribution`, gone since Python 3.8, wherever it finds one.

The one place for it: tests/conftest.py runs this file, and the simulated unit has its folder on
PYTHONPATH, so that each hook's interpreter imports it at start.
"""

import platform

platform.linux_distribution = lambda: ('Ubuntu', '22.04', 'jammy')
