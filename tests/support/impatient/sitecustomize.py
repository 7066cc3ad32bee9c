"""Has programs wait a fortieth as long for a server: on their PYTHONPATH, Python imports it."""

import time

_sleep = time.sleep
time.sleep = lambda seconds: _sleep(seconds / 40)
