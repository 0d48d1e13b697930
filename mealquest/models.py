"""Every table, imported once so that migrations and checks see the whole schema."""

from mealquest.alliance import models as alliance
from mealquest.audit import models as audit
from mealquest.campaigns import models as campaigns
from mealquest.core import idempotency, messages, outbox, placements, waiting
from mealquest.core.db import Base
from mealquest.identity import models as identity
from mealquest.invoices import models as invoices
from mealquest.payments import models as payments
from mealquest.privacy import models as privacy
from mealquest.realtime import models as realtime
from mealquest.recovery import case_models as recovery_cases
from mealquest.recovery import models as recovery
from mealquest.strategy import models as strategy
from mealquest.suppliers import models as suppliers
from mealquest.tenancy import models as tenancy
from mealquest.wallet import models as wallet
from mealquest.wallet import settlement_models as settlements

__all__ = [
    "Base",
    "alliance",
    "audit",
    "campaigns",
    "idempotency",
    "identity",
    "invoices",
    "messages",
    "outbox",
    "payments",
    "placements",
    "privacy",
    "realtime",
    "recovery",
    "recovery_cases",
    "settlements",
    "strategy",
    "suppliers",
    "tenancy",
    "waiting",
    "wallet",
]
