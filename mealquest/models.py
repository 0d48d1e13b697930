"""Every table, imported once so that migrations and checks see the whole schema."""

from mealquest.audit import models as audit
from mealquest.core import idempotency, messages, outbox
from mealquest.core.db import Base
from mealquest.identity import models as identity
from mealquest.payments import models as payments
from mealquest.realtime import models as realtime
from mealquest.tenancy import models as tenancy
from mealquest.wallet import models as wallet

__all__ = [
    "Base",
    "audit",
    "idempotency",
    "identity",
    "messages",
    "outbox",
    "payments",
    "realtime",
    "tenancy",
    "wallet",
]
