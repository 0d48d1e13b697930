"""What a new merchant begins with, and which id suits its name."""

import re
import secrets
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from mealquest.core.principal import Role

STAFF = {
    "staff_owner": (Role.OWNER, "Owner"),
    "staff_manager": (Role.MANAGER, "Manager"),
    "staff_clerk": (Role.CLERK, "Clerk"),
}
ID_LENGTH = 48  # of 64: leaves room for what makes it unique
SUGGESTIONS = 5
_NOT_ID = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Gift:
    """A voucher to begin with; amounts in major units."""

    id: str
    type: str
    name: str
    value: int
    min_spend: int
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class Guest:
    """A customer to begin with; amounts in major units."""

    id: str
    name: str
    principal: int
    bonus: int
    silver: int
    tags: tuple[str, ...]
    fragments: dict[str, int]
    gifts: tuple[Gift, ...] = ()
    phone: str | None = None


def _welcomed(user_id: str, name: str, principal: int, bonus: int, silver: int) -> Guest:
    return Guest(
        user_id,
        name,
        principal,
        bonus,
        silver,
        tags=("REGULAR",),
        fragments={"spicy": 1, "noodle": 2},
        gifts=(
            Gift(
                f"voucher_welcome_{user_id}",
                "ITEM_WARRANT",
                "Welcome Noodles",
                value=12,
                min_spend=0,
                lasts=timedelta(hours=24),
            ),
        ),
    )


DEMO_USERS = (
    _welcomed("u_demo", "Demo Customer", 120, 30, 88),
    _welcomed("u_friend", "Demo Friend", 60, 12, 40),
)


def suggested_ids(name: str) -> Iterator[str]:
    """Ids for a merchant of that name: the plain one first, then ones that nobody will have."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = _NOT_ID.sub("_", plain).strip("_")[:ID_LENGTH].strip("_")
    if len(slug) > 1 and slug[0].isalpha():
        yield slug
    elif slug:
        slug = f"m_{slug}"
        yield slug
    for _ in range(SUGGESTIONS):
        yield f"{slug or 'm'}_{secrets.token_hex(4)}"
