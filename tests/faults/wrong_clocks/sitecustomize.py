"""Gives a service a wrong clock. Python imports this module at its start, before the service, in
processes whose PYTHONPATH names this folder and that of the packages.

PYTHON_TEST_CLOCK_SKEWS says by how many seconds whose clock is wrong: `api=-60,dispatcher=120`.
"""

import os
import sys
from datetime import UTC, datetime, timedelta

from application import clock

_skews = dict(pair.split("=") for pair in os.environ["PYTHON_TEST_CLOCK_SKEWS"].split(","))
_skew = timedelta(seconds=float(_skews.get(sys.orig_argv[-1].removeprefix("services."), 0)))
if _skew:
    clock.use(lambda: datetime.now(UTC) + _skew)
