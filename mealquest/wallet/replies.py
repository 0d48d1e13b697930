"""What the wallet answers. Amounts are in major units of the merchant's currency."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import PlainSerializer, WithJsonSchema

from mealquest.core.money import Currency, Money
from mealquest.core.wire import Amount, Page, PageInfo, Timestamp, View
from mealquest.wallet.domain import Balances, VoucherFacts, VoucherStatus, VoucherType
from mealquest.wallet.ledger import Posting
from mealquest.wallet.models import EntryKind, TopUpMethod

Rate = Annotated[
    Decimal,
    PlainSerializer(float, return_type=float, when_used="json"),
    WithJsonSchema({"type": "number"}),
]


def major(minor: int, currency: Currency) -> Decimal:
    return Money(minor, currency).major


class BalancesView(View):
    principal: Amount
    bonus: Amount
    silver: Amount

    @classmethod
    def of(cls, balances: Balances, currency: Currency) -> Self:
        return cls(**_majors(balances, currency))


NOTHING = BalancesView(principal=Decimal(0), bonus=Decimal(0), silver=Decimal(0))


class WalletView(View):
    """The balances; bonus leaves out lots that have expired. `held` of them cannot be spent."""

    principal: Amount
    bonus: Amount
    silver: Amount
    held: BalancesView = NOTHING

    @classmethod
    def of(cls, balances: Balances, currency: Currency, held: Balances) -> Self:
        return cls(**_majors(balances, currency), held=BalancesView.of(held, currency))


def _majors(balances: Balances, currency: Currency) -> dict[str, Decimal]:
    return {
        "principal": major(balances.principal, currency),
        "bonus": major(balances.bonus, currency),
        "silver": major(balances.silver, currency),
    }


class VoucherView(View):
    id: str
    type: VoucherType
    name: str
    value: Amount
    min_spend: Amount
    discount_rate: Rate | None  # only of a DISCOUNT_CARD: 0.9 takes a tenth off
    status: VoucherStatus
    expires_at: Timestamp

    @classmethod
    def of(cls, voucher: VoucherFacts, currency: Currency, now: datetime) -> Self:
        card = voucher.type is VoucherType.DISCOUNT_CARD
        return cls(
            id=voucher.id,
            type=voucher.type,
            name=voucher.name,
            value=major(voucher.value_minor, currency),
            min_spend=major(voucher.min_spend_minor, currency),
            discount_rate=voucher.discount_rate if card else None,
            status=voucher.status_at(now),
            expires_at=voucher.expires_at,
        )


class BonusLotView(View):
    amount: Amount
    expires_at: Timestamp | None  # null: never


class PostingView(View):
    source: str
    destination: str
    amount: Amount

    @classmethod
    def of(cls, posting: Posting, currency: Currency) -> Self:
        return cls(
            source=posting.source,
            destination=posting.destination,
            amount=major(posting.minor, currency),
        )


class LedgerRowView(View):
    """An entry of the ledger. What moved between which accounts is for staff."""

    txn_id: str
    merchant_id: str
    user_id: str
    type: EntryKind
    amount: Amount
    details: dict[str, Any]
    timestamp: Timestamp
    postings: list[PostingView] | None


class TopUpView(View):
    top_up_id: str
    txn_id: str
    wallet: WalletView
    bonus_granted: Amount


class KeeperView(View):
    """The store that keeps a wallet which others use too; `knows_customer`: it has a profile."""

    merchant_id: str
    name: str
    knows_customer: bool = True


class CustomerDetailView(View):
    uid: str
    display_name: str
    phone_masked: str | None
    tags: list[str]
    fragments: dict[str, Any]
    currency: Currency
    wallet: WalletView
    vouchers: list[VoucherView]
    bonus_lots: list[BonusLotView]
    ledger: list[LedgerRowView]
    is_deleted: bool = False
    birthday: str | None = None  # MM-DD; told to managers and owners
    keeper: KeeperView | None = None  # of the wallet, where it is another store
    own_wallet: WalletView | None = None  # what lies in this store's own beside the shared one


class MovedView(View):
    """What was moved into the shared wallet, and what is in that one now."""

    user_id: str
    txn_id: str
    wallet_merchant_id: str
    principal: Amount
    bonus: Amount
    silver: Amount
    wallet: WalletView


class MovedAllView(View):
    """How many wallets were moved; `next_after`: ask again with it, there are more."""

    moved: int
    passed_over: int  # of customers who have left, or with nothing that is free
    next_after: str | None


class TopUpRuleView(View):
    rule_id: str
    from_amount: Amount
    bonus: Amount
    valid_days: int | None


class TopUpRulesView(View):
    merchant_id: str
    currency: Currency
    items: list[TopUpRuleView]


class TopUpPreview(View):
    """What a top-up would bring; null amounts while there is nothing sensible typed."""

    paid: Amount | None = None
    bonus: Amount | None = None
    valid_days: int | None = None


class OwedView(View):
    """What the merchant owes its customers: the sum of all wallets."""

    principal: Amount
    bonus: Amount
    silver: Amount
    wallets: int  # that hold something


class WalletRowView(View):
    user_id: str
    display_name: str
    wallet: WalletView


class WalletsPage(Page):
    items: list[WalletRowView]


class VoucherRowView(View):
    user_id: str
    display_name: str
    voucher: VoucherView
    created_at: Timestamp
    payment_txn_id: str | None  # that spent it, or holds it


class VouchersPage(Page):
    items: list[VoucherRowView]


class LedgerPage(View):
    merchant_id: str
    user_id: str | None  # whose entries, when one customer's were asked for
    items: list[LedgerRowView]
    page_info: PageInfo


class TopUpRowView(View):
    top_up_id: str
    txn_id: str  # its entry in the ledger
    user_id: str
    display_name: str
    amount: Amount
    bonus: Amount
    method: TopUpMethod
    note: str
    taken_by: str
    timestamp: Timestamp


class TopUpsPage(Page):
    items: list[TopUpRowView]


class TopUpSumView(View):
    """What came in by one method."""

    method: TopUpMethod
    count: int
    paid: Amount
    bonus: Amount


class TopUpSumsView(View):
    """By method; the days they cover are the merchant's, inclusive."""

    from_day: date
    to_day: date
    items: list[TopUpSumView]
