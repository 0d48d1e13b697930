"""The passwords of one installation, drawn once and kept in a file only its owner can read."""

import json
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mealquest.engines.files import write_private

NAME = "secrets.json"


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    owner_password: str
    app_password: str
    valkey_password: str
    stripe_key: str  # of the sandbox
    stripe_webhook_secret: str

    @classmethod
    def of(cls, home: Path) -> "Secrets":
        """Read those of ``home``, and draw what is missing. The caller holds the start lock."""
        path = home / NAME
        known = json.loads(path.read_text()) if path.exists() else {}
        whole = cls(**_drawn() | known)
        if asdict(whole) != known:
            write_private(path, json.dumps(asdict(whole), indent=2) + "\n")
        return whole


def _drawn() -> dict[str, str]:
    prefixes = {"stripe_key": "sk_test_", "stripe_webhook_secret": "whsec_"}
    names = (field.name for field in fields(Secrets))
    return {name: prefixes.get(name, "") + secrets.token_urlsafe(24) for name in names}


def is_installation(home: Path) -> bool:
    """Whether engines were ever started in ``home``."""
    return (home / NAME).exists()
