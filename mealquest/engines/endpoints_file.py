"""``endpoints.json``: where a running product can be reached, for people and tools beside it."""

import json
from collections.abc import Mapping
from pathlib import Path

from mealquest.engines.files import write_private

NAME = "endpoints.json"
KEYS = (
    "http",
    "db_url",
    "admin_db_url",
    "tenant_dbs",  # merchants with a database of their own, and where it is
    "redis_url",
    "sandbox_ai_url",
    "sandbox_stripe_url",
)


def write_endpoints(data_dir: Path, endpoints: Mapping[str, str | None]) -> None:
    """Replace the file in one step; mode 0600, for it holds passwords.

    A key that is not given is written as null. ValueError: a key that the file does not have.
    """
    if unknown := endpoints.keys() - set(KEYS):
        raise ValueError(f"{NAME} has no {', '.join(sorted(unknown))}")
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = {key: endpoints.get(key) for key in KEYS}
    write_private(data_dir / NAME, json.dumps(known, indent=2) + "\n")


def read_endpoints(data_dir: Path) -> dict[str, str | None] | None:
    """What the file says, or None without one. A product that was killed leaves its file behind."""
    try:
        found = json.loads((data_dir / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return {key: found.get(key) for key in KEYS}


def remove_endpoints(data_dir: Path) -> None:
    (data_dir / NAME).unlink(missing_ok=True)
