"""A fire sale: cards that halve an order, for what must go now. It ends by itself."""

from datetime import timedelta
from decimal import Decimal

from flask_babel import force_locale, gettext

from mealquest.audit import service as audit
from mealquest.campaigns import writing
from mealquest.campaigns.domain import Limits, Operator
from mealquest.campaigns.forms import FireSaleForm
from mealquest.campaigns.replies import FireSalePlan, FireSaleView
from mealquest.campaigns.writing import NewCampaign
from mealquest.core import idempotency, outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.idempotency import KeyedRequest
from mealquest.core.ids import new_id
from mealquest.core.principal import Principal
from mealquest.payments import service as payments
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation
from mealquest.wallet.service import VoucherType, major

EVENT = "INVENTORY_ALERT"
PRIORITY = 999
RATE = Decimal("0.5")
CARD_DAYS = 1
LOOKED_BACK = timedelta(days=30)
MOST_MINUTES = 72 * 60  # no sale runs longer than a proposal may


def plan(merchant_id: str, form: FireSaleForm) -> FireSalePlan:
    """What a fire sale would give, and cost at the worst; changes nothing."""
    since = utc_now() - LOOKED_BACK
    with transaction(merchant_id) as session:
        merchant = tenancy.settings_of(session, merchant_id)
        usual = payments.usual_orders(session, merchant_id, since)

    def cards_on(order_minor: int) -> Decimal | None:
        off = int(order_minor * (1 - RATE) * form.max_qty)
        return major(off, merchant.currency) if order_minor else None

    return FireSalePlan(
        target_sku=form.target_sku,
        ttl_minutes=min(form.ttl_minutes, MOST_MINUTES),
        voucher_value=form.voucher_value,
        max_qty=form.max_qty,
        discount_percent=int((1 - RATE) * 100),
        card_days=CARD_DAYS,
        currency=merchant.currency,
        typical=cards_on(usual.average_minor),
        worst=cards_on(usual.largest_minor),
        kill_switch_enabled=merchant.kill_switch_enabled,
    )


def start(
    merchant_id: str, form: FireSaleForm, by: Principal, request: KeyedRequest | None = None
) -> FireSaleView:
    """Begin one at once, once per request key. It runs without anybody's approval.

    `voucher_value` only counts units: the budget is enough for exactly `max_qty` cards.
    """
    with transaction(merchant_id) as session:
        if request:
            stored = idempotency.claim(session, merchant_id, request, FireSaleView)
            if stored is not None:
                return stored
        shop = tenancy.settings_of(session, merchant_id)
        with force_locale(shop.locale.replace("-", "_")):  # customers read the name too
            name = gettext("Fire sale: %(article)s", article=form.target_sku)
        new = _campaign(form, name)
        writing.add(session, merchant_id, new, by.subject)
        view = FireSaleView(
            merchant_id=merchant_id,
            campaign_id=new.id,
            priority=new.priority,
            ttl_until=new.ttl_until or utc_now(),
        )
        details = {"targetSku": form.target_sku, "campaignId": new.id}
        audit.record(session, merchant_id, Operation.FIRE_SALE_CREATE, by, details)
        event = view.model_dump(mode="json", by_alias=True)
        outbox.publish(session, merchant_id, "FIRE_SALE_CREATED", event)
        if request:
            idempotency.store(session, merchant_id, request, view)
    return view


def _campaign(form: FireSaleForm, name: str) -> NewCampaign:
    card = {
        "type": VoucherType.DISCOUNT_CARD.value,
        "name": name,
        "value": 0,
        "minSpend": 0,
        "discountRate": float(RATE),
        "validDays": CARD_DAYS,
    }
    return NewCampaign(
        id=new_id("campaign_fire_sale"),
        name=name,
        event=EVENT,
        priority=PRIORITY,
        conditions=(
            {"field": "targetSku", "op": Operator.EQ.value, "value": form.target_sku},
            {"field": "inventoryBacklog", "op": Operator.GTE.value, "value": 1},
        ),
        action={"type": "GRANT_VOUCHER", "voucher": card},
        limits=Limits(form.voucher_value * form.max_qty, form.voucher_value),
        ttl_until=utc_now() + timedelta(minutes=min(form.ttl_minutes, MOST_MINUTES)),
        strategy_meta={
            "templateId": "manual_fire_sale",
            "templateName": "Fire sale",
            "branchId": "MANUAL",
            "branchName": "Manual",
            "category": "REVENUE",
        },
    )
