"""Who acts: a role and a name at one merchant, whatever credential proved it."""

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    CUSTOMER = "CUSTOMER"
    CLERK = "CLERK"
    MANAGER = "MANAGER"
    OWNER = "OWNER"
    OPERATOR = "OPERATOR"  # runs the platform, crosses merchants
    APPLICANT = "OWNER_PENDING"  # proved a phone that no merchant knows: may only onboard
    PARTNER = "PARTNER"  # a supplier's machine, by its key
    SYSTEM = "SYSTEM"  # jobs, gateways and bootstrap; never signs in


MERCHANT = frozenset({Role.CLERK, Role.MANAGER, Role.OWNER})
MANAGEMENT = frozenset({Role.MANAGER, Role.OWNER})
CASHIER = MERCHANT | {Role.CUSTOMER}


_KINDS = {Role.CUSTOMER: "customer", Role.PARTNER: "partner"}


@dataclass(frozen=True, slots=True)
class Session:
    """The sign-in a credential comes from; `is_stale`: last noted as seen minutes ago."""

    id: str
    is_stale: bool = False


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller. `subject`: an operatorId, a userId, a partnerId, or an applicant's phone."""

    role: Role
    subject: str
    merchant_id: str | None = None
    name: str = ""
    session: Session | None = field(default=None, compare=False)

    @property
    def actor(self) -> str:
        """Stable name of the caller inside a merchant, part of every idempotency key."""
        return f"{_KINDS.get(self.role, 'staff')}:{self.subject}"


SYSTEM = Principal(Role.SYSTEM, "system")
BOOTSTRAP = Principal(Role.SYSTEM, "bootstrap")
ANONYMOUS = Principal(Role.SYSTEM, "anonymous")
