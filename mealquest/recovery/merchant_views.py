"""Merchants by JSON, as the contract has them, and the page on which one sets its brand."""

from typing import Any, cast

import structlog
from babel import Locale
from flask import request, url_for
from flask_babel import get_locale

from mealquest.core.errors import Forbidden
from mealquest.core.principal import MANAGEMENT, Role
from mealquest.core.wire import NoInput
from mealquest.recovery import erase as erasing
from mealquest.recovery import merchants
from mealquest.recovery.errors import NothingToUpdate
from mealquest.recovery.merchant_forms import (
    AnyChangeForm,
    ChangeForm,
    MerchantForm,
    MerchantsForm,
    NewMerchantForm,
    country_names,
)
from mealquest.recovery.merchant_replies import (
    ErasedView,
    MerchantsView,
    MerchantView,
    OwnMerchantView,
)
from mealquest.tenancy.service import Operation
from mealquest.web import credentials, inputs
from mealquest.web.credentials import Credential
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import translate as _
from mealquest.web.throttle import Throttle

feature = Feature("merchants")
OPERATOR, OWNER = frozenset({Role.OPERATOR}), frozenset({Role.OWNER})
HEADER = "X-Merchant-Stripe-Id"
BRAND = "/console/recovery/brand"

log = structlog.get_logger(__name__)


def _stranger(form: Any) -> str | None:
    """Who is counted: an address without a credential of its own."""
    known = "Authorization" in request.headers or "X-Api-Key" in request.headers
    return None if known else request.remote_addr or "unknown"


STRANGERS = Throttle("merchant by its Stripe id", ("30/minute",), _stranger)


def _admin() -> Credential | None:
    """The operator's key, which older clients send in a header of its own."""
    key = request.headers.get("X-Admin-Key")
    if key is None:
        return credentials.presented()
    if not credentials.is_operator_key(key):
        raise Forbidden("invalid admin key")
    return Credential(operator=True)


@feature.get(api="/api/merchants", roles=OPERATOR)
def listed(call: Call, form: MerchantsForm) -> MerchantsView:
    """Every merchant, newest first; `X-Next-Cursor` leads on."""
    return merchants.listed(form)


@feature.post(
    api="/api/merchants", roles=OPERATOR, ungated="the merchant does not exist yet", status=201
)
def create(call: Call, form: NewMerchantForm) -> MerchantView:
    """A new merchant; accounts, tokens and tiers are never taken from a caller."""
    return merchants.create(form, call.principal)


@feature.get(api="/api/merchants/me", roles=MANAGEMENT)
def own(call: Call, form: NoInput) -> OwnMerchantView:
    """The caller's own merchant, briefly."""
    return merchants.own(call.principal.merchant_id or "")


@feature.get(api="/api/merchants/<merchant_id>", roles=OWNER | OPERATOR)
def one(call: Call, form: MerchantForm) -> MerchantView:
    """One merchant, for its owner or the operator."""
    merchants.require_owner(form.merchant_id, call.principal)
    return merchants.one(form.merchant_id)


@feature.patch(
    api="/api/merchants/<merchant_id>",
    ungated="the service asks the policy, after the account of the header",
    throttles=(STRANGERS,),
)
def change(call: Call, form: AnyChangeForm) -> MerchantView:
    """Change billing, addresses or brand; the header names the merchant's account at Stripe."""
    merchant_id = form.merchant_id
    try:
        merchants.require_account(merchant_id, request.headers.get(HEADER))
    except Forbidden:
        log.warning("merchant id mismatch", merchant_id=merchant_id)
        raise
    if not form.sent:
        raise NothingToUpdate
    wanted = cast(ChangeForm, inputs.checked(ChangeForm, form.sent))
    by = call.principal
    merchants.require_owner(merchant_id, by)
    return merchants.change(merchant_id, wanted, by)


@feature.delete(
    api="/api/admin/merchants/<merchant_id>",
    roles=OPERATOR,
    ungated="only the operator may, and an erasure waits for no migration",
    presented=_admin,
)
def erase(call: Call, form: MerchantForm) -> ErasedView:
    """Erase a merchant for good, after it is disconnected at Stripe."""
    return erasing.erase(form.merchant_id)


# --- the page -----------------------------------------------------------------------------


@feature.get(page=BRAND, roles=MANAGEMENT, scope=Scope.QUERY, template="recovery/brand")
def brand(call: Call, form: NoInput) -> MerchantView:
    """How the merchant's mails look, and who is billed."""
    return merchants.one(call.merchant_id)


@feature.post(
    page=BRAND,
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.MERCHANT_SETTINGS_SET,
    again="merchants.brand",
    see_other=lambda view: url_for("merchants.brand.page"),
    flash=lambda view: _("Brand and billing are saved."),
)
def save_brand(call: Call, form: ChangeForm) -> MerchantView:
    """Save brand and billing from their page."""
    return merchants.change(call.merchant_id, form, call.principal)


@feature.word
def countries() -> list[tuple[str, str]]:
    """Every country by its name in the reader's language."""
    return country_names(get_locale() or Locale("en"))
