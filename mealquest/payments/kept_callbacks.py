"""Words of the payment gateway for a merchant that is closed for a moment: kept, and taken later.

The gateway is told that its word is received, because it is: nothing of it can get lost any more.
"""

from mealquest.core import waiting
from mealquest.core.errors import MerchantUnavailable
from mealquest.core.waiting import Act
from mealquest.payments import outside
from mealquest.payments.forms import CallbackForm
from mealquest.payments.replies import CallbackKept, OutsideView

KIND = "payments.callback"


def take_callback(form: CallbackForm) -> OutsideView | CallbackKept:
    """As `outside.callback`, and what cannot be settled now is kept.

    MerchantUnavailable: too much waits already.
    """
    try:
        return outside.callback(form)
    except MerchantUnavailable:
        said = form.model_dump(mode="json", by_alias=True, exclude_none=True)
        waiting.keep(form.merchant_id, KIND, said)
        return CallbackKept(merchant_id=form.merchant_id, payment_txn_id=form.payment_txn_id)


def take_kept_callback(act: Act) -> None:
    """Settle by a word that was kept; raises as `outside.callback`, and may be called twice."""
    outside.callback(CallbackForm.model_validate(act.content))
