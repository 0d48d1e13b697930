"""The passwords of one installation, drawn once and kept in a file only its owner can read."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from mealquest.engines.files import write_private

NAME = "secrets.json"


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    owner_password: str
    app_password: str
    valkey_password: str

    @classmethod
    def of(cls, home: Path) -> "Secrets":
        """Read those of ``home``, or draw them. The caller holds the start lock."""
        path = home / NAME
        if path.exists():
            return cls(**json.loads(path.read_text()))
        drawn = cls(*(secrets.token_urlsafe(24) for _ in range(3)))
        write_private(path, json.dumps(asdict(drawn), indent=2) + "\n")
        return drawn


def is_installation(home: Path) -> bool:
    """Whether engines were ever started in ``home``."""
    return (home / NAME).exists()
