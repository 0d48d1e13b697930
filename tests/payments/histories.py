"""How many histories of a shop are made up, with its database.

`MQ_HISTORIES` says it; `make nightly` asks for 2,000.
"""

import os

from hypothesis import HealthCheck, settings

HISTORIES = int(os.environ.get("MQ_HISTORIES", "40"))
some = settings(
    deadline=None,
    derandomize=HISTORIES <= 40,
    max_examples=HISTORIES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
