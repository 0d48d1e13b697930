"""Whether the process of this container answers: exit code 0 or 1, by the standard library alone.

A web server is asked for its health, worker and scheduler for their figures.
"""

import os
import sys
import urllib.request

port = os.environ.get("MQ_METRICS_PORT")
url = (
    f"http://127.0.0.1:{port}/metrics" if port else f"http://127.0.0.1:{os.environ['PORT']}/health"
)
try:
    with urllib.request.urlopen(url, timeout=4) as answer:  # noqa: S310 - our own
        sys.exit(answer.status != 200)
except OSError as refused:
    sys.exit(f"{url}: {refused}")
