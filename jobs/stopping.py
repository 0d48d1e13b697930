"""Whether this process was told to stop: a job that goes from one task to the next asks."""

import threading

told = threading.Event()
