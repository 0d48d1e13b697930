"""Copying a customer's profile to the other stores of the alliance."""

from flask import url_for
from flask_babel import gettext
from pydantic import Field

from mealquest.alliance import service
from mealquest.alliance.forms import SyncForm, SyncPageForm
from mealquest.alliance.replies import LeftOutReason, StoreItem, SyncedView
from mealquest.core.principal import MANAGEMENT
from mealquest.core.wire import View
from mealquest.identity import service as identity
from mealquest.identity.service import CustomersForm, CustomerView
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import principal
from mealquest.web.look import translate as _

feature = Feature("alliance_customers")
FOUND = 8  # customers that the page offers for a search


class SyncPage(View):
    """Whom to copy, and to which stores."""

    merchant_id: str
    stores: list[StoreItem]  # that agreed
    customer: CustomerView | None = None
    found: list[CustomerView] = Field(default_factory=list)


@feature.get(page="/console/alliance/customers", roles=MANAGEMENT, template="alliance/customers")
def customers(call: Call, form: SyncPageForm) -> SyncPage:
    """Choose a customer whose profile the other stores are to have."""
    stores = service.agreed_stores(call.merchant_id)
    wanted = form.user_id or form.query
    found = []
    if wanted:
        listing = CustomersForm(query=wanted, limit=FOUND)
        found = identity.customers(call.merchant_id, listing).items
    chosen = next((one for one in found if one.uid == form.user_id), None)
    return SyncPage(
        merchant_id=call.merchant_id,
        stores=stores,
        customer=chosen,
        found=[] if chosen else found,
    )


@feature.word
def left_out_words(reason: LeftOutReason) -> str:
    return {
        LeftOutReason.NOT_AGREED: _("It has not agreed."),
        LeftOutReason.ELSEWHERE: _("It lies in another database."),
        LeftOutReason.FROZEN: _("It takes no changes at the moment."),
        LeftOutReason.HAS_LEFT: _("The customer was erased there."),
    }[reason]


def _told(view: SyncedView) -> str:
    """Where the copy went, and where it did not, with the reason."""
    names = service.names_of(view.synced_stores + [one.merchant_id for one in view.left_out])
    others = [names.get(one, one) for one in view.synced_stores if one != view.merchant_id]
    said = (
        gettext("The profile is at %(stores)s now.", stores=", ".join(others))
        if others
        else gettext("The profile was copied nowhere.")
    )
    left = [
        f"{names.get(one.merchant_id, one.merchant_id)}: {left_out_words(one.reason)}"
        for one in view.left_out
    ]
    return " ".join([said, *left])


@feature.post(
    api="/api/merchant/alliance/sync-user",
    page="/console/alliance/customers",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.ALLIANCE_SYNC_USER,
    again="alliance_customers.customers",
    template="alliance/customers",
    see_other=lambda view: url_for("wallet.customer.page", user_id=view.user_id),
    flash=_told,
)
def sync_user(call: Call, form: SyncForm) -> SyncedView:
    """Copy a customer's profile, and nothing else, to the stores that agreed."""
    return service.sync_user(call.merchant_id, form, call.principal)


@feature.word
def may_copy_customer() -> bool:
    """Whether the person who looks may copy a customer, and some store has agreed to it."""
    who = principal()
    if who is None or who.merchant_id is None or who.role not in MANAGEMENT:
        return False
    return service.has_agreed(who.merchant_id)
