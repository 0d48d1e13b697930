"""Who the platform bills: a customer of its own account, made once for each merchant."""

import structlog

from mealquest.core.db import transaction
from mealquest.recovery.errors import StripeFailed
from mealquest.recovery.gateway import StripeGateway
from mealquest.tenancy import service as tenancy

log = structlog.get_logger(__name__)


def ensure_customer(merchant_id: str) -> str | None:
    """The customer that a merchant is billed as, made when there is none yet.

    None: Stripe did not make one now. Asking again makes no second one.
    """
    with transaction(merchant_id) as session:
        account = tenancy.account_of(session, merchant_id)
    if account.stripe_customer_id:
        return account.stripe_customer_id
    platform = StripeGateway.platform()
    try:
        customer_id = platform.create_customer(merchant_id)
        platform.describe_customer(customer_id, account.name, account.email)
    except StripeFailed as failure:
        log.warning("no customer to bill", merchant_id=merchant_id, why=str(failure))
        return None
    with transaction(merchant_id) as session:
        known = tenancy.account_of(session, merchant_id, lock=True).stripe_customer_id
        if known is None:
            tenancy.set_account(session, merchant_id, stripe_customer_id=customer_id)
    return known or customer_id
