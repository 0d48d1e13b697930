"""A customer's wallet, and topping it up."""

from collections.abc import Collection
from decimal import Decimal

from flask import g, request, url_for

from mealquest.core.principal import MANAGEMENT, MERCHANT, Role
from mealquest.core.wire import Input, Key, NoInput
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation
from mealquest.wallet import service, settlement
from mealquest.wallet.booking import HOLDER
from mealquest.wallet.domain import VoucherStatus, VoucherType
from mealquest.wallet.forms import (
    GrantVoucherForm,
    PreviewForm,
    RuleIdForm,
    TopUpForm,
    TopUpRuleForm,
)
from mealquest.wallet.models import EntryKind
from mealquest.wallet.replies import (
    CustomerDetailView,
    LedgerRowView,
    TopUpPreview,
    TopUpRulesView,
    TopUpRuleView,
    TopUpView,
    VoucherView,
)
from mealquest.wallet.returns import RECLAIMED
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import money
from mealquest.web.look import translate as _

feature = Feature("wallet")
OWNER = frozenset({Role.OWNER})


class CustomerPageForm(Input):
    user_id: Key


@feature.get(
    api="/api/customers/<user_id>",
    page="/console/customers/<user_id>",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="wallet/customer",
)
def customer(call: Call, form: CustomerPageForm) -> CustomerDetailView:
    """One customer with balances, vouchers and the newest movements."""
    told = call.principal.role in MANAGEMENT
    return service.customer_detail(call.merchant_id, form.user_id, with_birthday=told)


def _customer_again(view: TopUpView) -> str:
    """The customer's page, which says so when this request topped nothing up."""
    user_id = (request.view_args or {})["user_id"]
    repeated = "yes" if view.replayed else None
    return url_for("wallet.customer.page", user_id=user_id, repeated=repeated)


@feature.post(
    api="/api/wallet/top-ups",
    page="/console/customers/<user_id>/top-ups",
    roles=MERCHANT,
    scope=Scope.BODY,
    gate=Operation.WALLET_TOP_UP,
    idempotent=True,
    again="wallet.customer",
    see_other=_customer_again,
    flash=lambda view: _("Topped up. The wallet now holds %(sum)s.", sum=_total(view)),
)
def top_up(call: Call, form: TopUpForm) -> TopUpView:
    """Credit money paid in at the counter, and a bonus on top."""
    return service.top_up(call.merchant_id, form, call.principal, call.keyed)


def _total(view: TopUpView) -> str:
    return money(view.wallet.principal + view.wallet.bonus + view.wallet.silver)


@feature.get(
    page="/console/customers/<user_id>/top-up-preview",
    roles=MERCHANT,
    template="wallet/preview",
)
def top_up_preview(call: Call, form: PreviewForm) -> TopUpPreview:
    """What a top-up would bring, while its amount is typed."""
    return service.preview(call.merchant_id, form)


@feature.post(
    api="/api/customers/<user_id>/vouchers",
    page="/console/customers/<user_id>/vouchers",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.VOUCHER_GRANT,
    idempotent=True,
    again="wallet.customer",
    see_other=lambda view: url_for("wallet.customer.page", **(request.view_args or {})),
    flash=lambda view: _("“%(name)s” was given.", name=view.name),
    status=201,
)
def grant_voucher(call: Call, form: GrantVoucherForm) -> VoucherView:
    """Give a customer a voucher by hand."""
    return service.grant_by_hand(call.merchant_id, form, call.principal, call.keyed)


@feature.get(
    api="/api/wallet/top-up-rules",
    page="/console/top-up-rules",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="wallet/rules",
)
def top_up_rules(call: Call, form: NoInput) -> TopUpRulesView:
    """What the merchant promises on top-ups."""
    return service.rules(call.merchant_id)


@feature.post(
    api="/api/wallet/top-up-rules",
    page="/console/top-up-rules",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.TOP_UP_RULE_SET,
    again="wallet.top_up_rules",
    see_other=lambda view: url_for("wallet.top_up_rules.page"),
    flash=lambda view: _("The rule holds from now on."),
    status=201,
)
def add_top_up_rule(call: Call, form: TopUpRuleForm) -> TopUpRuleView:
    """Promise a bonus from an amount on."""
    return service.add_rule(call.merchant_id, form, call.principal)


@feature.post(
    api="/api/wallet/top-up-rules/<rule_id>/remove",
    page="/console/top-up-rules/<rule_id>/remove",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.TOP_UP_RULE_SET,
    see_other=lambda view: url_for("wallet.top_up_rules.page"),
    flash=lambda view: _("The rule is gone. Bonus that it gave stays."),
)
def remove_top_up_rule(call: Call, form: RuleIdForm) -> TopUpRuleView:
    """Take a promise back."""
    return service.remove_rule(call.merchant_id, form.rule_id, call.principal)


@feature.word
def voucher_worth(voucher: VoucherView) -> str:
    """What a voucher takes off, in words for people."""
    if voucher.type is VoucherType.DISCOUNT_CARD and voucher.discount_rate:
        percent = ((1 - voucher.discount_rate) * 100).normalize()
        return _("%(percent)s%% off", percent=f"{percent:f}")
    return money(voucher.value)


@feature.word
def voucher_state(status: VoucherStatus) -> str:
    return {
        VoucherStatus.ACTIVE: _("Can be used"),
        VoucherStatus.HELD: _("Held for a payment"),
        VoucherStatus.USED: _("Used"),
        VoucherStatus.EXPIRED: _("Expired"),
        VoucherStatus.WITHDRAWN: _("Taken back"),
    }[status]


@feature.word
def entry_label(kind: EntryKind) -> str:
    return {
        EntryKind.OPENING: _("Opening balance"),
        EntryKind.TOP_UP: _("Top-up"),
        EntryKind.PAYMENT: _("Payment"),
        EntryKind.PAYMENT_PENDING: _("Payment waits for outside money"),
        EntryKind.PAYMENT_EXTERNAL_CONFIRM: _("Payment with outside money"),
        EntryKind.EXTERNAL_RECEIVED: _("Outside money came too late"),
        EntryKind.GATEWAY_REFUND: _("Outside money sent back"),
        EntryKind.REFUND: _("Refund"),
        EntryKind.RECEIVABLE_SETTLED: _("What the customer owed"),
        EntryKind.BONUS_EXPIRY: _("Bonus expired"),
        EntryKind.CAMPAIGN_GRANT: _("Gift of a campaign"),
        EntryKind.WALLET_MOVED: _("Moved into the shared wallet"),
        EntryKind.SETTLEMENT: _("Paid between the stores"),
        EntryKind.SETTLEMENT_WRITTEN_OFF: _("Given up between the stores"),
    }[kind]


@feature.word
def wallet_change(row: LedgerRowView) -> Decimal:
    """What a movement added to the customer's wallet; below zero when it took.

    Of a wallet that another store keeps, the account with that store says it.
    """
    keeper = row.details.get(HOLDER)
    kept = {settlement.account(keeper)} if isinstance(keeper, str) else set()
    into = sum(p.amount for p in row.postings or () if _is_wallet(p.destination, kept))
    out = sum(p.amount for p in row.postings or () if _is_wallet(p.source, kept))
    return Decimal(into - out) - Decimal(str(row.details.get(RECLAIMED, 0)))


@feature.word
def account_label(account: str) -> str:
    """A ledger account as people call it."""
    if _is_wallet(account):
        return _bucket_label(account.rpartition(":")[2])
    if account.startswith("outside:"):
        return _method_label(account.removeprefix("outside:"))
    if account.startswith(settlement.PREFIX):
        return _("Account with %(store)s", store=_store(account.removeprefix(settlement.PREFIX)))
    return {
        "merchant:sales": _("Sales"),
        "merchant:gifts": _("Gifts of the shop"),
        "merchant:vouchers": _("Vouchers of the shop"),
        "merchant:breakage": _("Bonus that expired"),
        "merchant:due_back": _("Owed back to the customer"),
        "merchant:receivables": _("Owed by the customer"),
        "merchant:written_off": _("Given up"),
        "merchant:forgiven": _("Forgiven by another store"),
        "opening": _("Balance brought in"),
    }[account]


def _store(merchant_id: str) -> str:
    """The name of another store, read once a request."""
    known: dict[str, str] = g.setdefault("stores_by_name", {})
    if merchant_id not in known:
        found = tenancy.public_names([merchant_id])
        known[merchant_id] = found.get(merchant_id, merchant_id)
    return known[merchant_id]


def _is_wallet(account: str, kept: Collection[str] = ()) -> bool:
    return account.startswith("wallet:") or account in kept


def _bucket_label(bucket: str) -> str:
    return {
        "principal": _("Principal of the customer"),
        "bonus": _("Bonus of the customer"),
        "silver": _("Change of the customer"),
    }[bucket]


def _method_label(method: str) -> str:
    return {
        "cash": _("Cash"),
        "card": _("Card"),
        "transfer": _("Transfer"),
        "other": _("Other"),
        "gateway": _("Payment gateway"),
        "settlement": _("Between the stores"),
    }[method]
