"""Everything that will be written, worked out before anything is. Pure: no database."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from mealquest.audit.service import restoring as auditing
from mealquest.campaigns.service import restoring as campaigning
from mealquest.core.idempotency import ImportedKey
from mealquest.core.money import Currency
from mealquest.core.principal import Role
from mealquest.core.wire import PHONE
from mealquest.invoices.service import restoring as invoicing
from mealquest.legacy import history, keys, papers
from mealquest.legacy.entities import Alliance, Merchant, Shop
from mealquest.legacy.history import Money, Terms
from mealquest.legacy.notes import Notes
from mealquest.legacy.people import People, people_of
from mealquest.legacy.snapshot import Shops
from mealquest.payments.service import PaymentStatus
from mealquest.strategy.service import restoring as strategising
from mealquest.suppliers.service import restoring as supplying
from mealquest.tenancy.service import LOCALE, TIME_ZONE, Limit, TenantPolicy
from mealquest.tenancy.service import restoring as tenancy

CURRENCY = Currency.CNY  # of all amounts of the old server
STAFF = (
    ("staff_owner", Role.OWNER),
    ("staff_manager", Role.MANAGER),
    ("staff_clerk", Role.CLERK),
)


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the staff; without a phone nobody can sign in as them."""

    id: str
    role: Role
    phone: str | None

    @property
    def name(self) -> str:
        return self.role.value.capitalize()


@dataclass(slots=True)
class ShopPlan:
    """What will be written of one merchant, as it is `now`."""

    now: datetime
    merchant: tenancy.OldMerchant
    staff: list[Member]
    people: People
    money: Money
    invoices: list[invoicing.OldInvoice]
    orders: list[supplying.OldOrder]
    campaigns: list[campaigning.OldCampaign]
    chats: list[strategising.OldChat]
    proposals: list[strategising.OldProposal]
    configs: list[strategising.OldConfig]
    audit: list[auditing.OldRow]
    keys: list[ImportedKey]
    contract: tenancy.OldContract | None = None
    policy: TenantPolicy | None = None
    alliance: Alliance | None = None


@dataclass(slots=True)
class Plan:
    shops: list[ShopPlan] = field(default_factory=list)

    @property
    def merchant_ids(self) -> list[str]:
        return [shop.merchant.id for shop in self.shops]


def plan(shops: Shops, notes: Notes, *, now: datetime, hold_s: int) -> Plan:
    """What bringing these in will write; what cannot be is a problem in the notes."""
    for shop in shops.values():
        shop.alliance = _alliance(shop, shops, notes)
    made = [_shop(shop, notes, now, hold_s) for shop in shops.values()]
    return Plan(sorted(made, key=lambda one: one.merchant.id))


def _shop(shop: Shop, notes: Notes, now: datetime, hold_s: int) -> ShopPlan:
    people = people_of(shop, notes, now)
    shared = _is_shared(shop)
    if shared:
        notes.warn(
            shop.merchant.id,
            "its wallet was shared between stores: what was spent is told by its own ledger",
        )
    money = history.money_of(shop, people, notes, Terms(now, hold_s, shared))
    _look_at_budget(shop, money, notes)
    chats = papers.chats_of(shop, notes, now)
    return ShopPlan(
        now=now,
        merchant=_merchant(shop, now),
        staff=_staff(shop.merchant, notes),
        people=people,
        money=money,
        invoices=papers.invoices_of(shop, money, notes),
        orders=papers.orders_of(shop, notes),
        campaigns=papers.campaigns_of(shop, CURRENCY, notes, now),
        chats=chats,
        proposals=papers.proposals_of(shop, chats, notes, now),
        configs=papers.configs_of(shop, now),
        audit=papers.audit_of(shop),
        keys=keys.keys_of(shop, money, people, CURRENCY, notes),
        contract=_contract(shop, now),
        policy=_policy(shop, notes),
        alliance=shop.alliance,
    )


def _alliance(shop: Shop, shops: Shops, notes: Notes) -> Alliance | None:
    """The list with the stores that are there. Wallets are shared only where both sides say so."""
    old, merchant_id = shop.alliance, shop.merchant.id
    if old is None:
        return None
    where = f"allianceConfigs of {merchant_id}"
    stores = tuple(dict.fromkeys(store for store in old.stores if store in shops))
    if missing := set(old.stores) - set(stores):
        notes.leave_out(where, f"stores that are not there: {', '.join(sorted(missing))}")
    for store in stores:
        other = shops[store].alliance
        agrees = other and other.wallet_shared and merchant_id in other.stores
        if old.wallet_shared and store != merchant_id and not agrees:
            notes.change(where, f"{store} never agreed to share wallets: it does not here")
    return replace(old, stores=stores or (merchant_id,))


def _is_shared(shop: Shop) -> bool:
    """Whether payments took from another store's wallets: the first one's of the list."""
    alliance = shop.alliance
    return bool(alliance and alliance.wallet_shared and alliance.stores)


def _merchant(shop: Shop, now: datetime) -> tenancy.OldMerchant:
    old = shop.merchant
    cluster = shop.alliance.cluster_id if shop.alliance else None
    return tenancy.OldMerchant(
        id=old.id,
        name=old.name,
        currency=CURRENCY,
        time_zone=TIME_ZONE,
        locale=LOCALE,
        budget_cap_minor=old.budget_cap,
        kill_switch=old.kill_switch,
        cluster_id=cluster or old.cluster_id,
        onboarded_at=old.onboarded_at or now,
    )


def _staff(old: Merchant, notes: Notes) -> list[Member]:
    """Those there were, and who is missing of the three that every shop has."""
    known: dict[str, Role] = {}
    for staff_id, role in old.staff:
        if staff_id in known:
            notes.problem(f"staff of {old.id}", f"{staff_id} is there twice")
        known[staff_id] = role
    for staff_id, role in STAFF:
        if role not in known.values():
            known.setdefault(staff_id, role)
    phone = old.owner_phone
    if phone and not PHONE.fullmatch(phone):
        notes.leave_out(f"staff of {old.id}", "ownerPhone is no phone")
        phone = None
    if phone is None:
        notes.warn(
            old.id, "nobody can sign in as its owner: flask legacy owner-phone gives them a phone"
        )
    owner = next((staff_id for staff_id, role in known.items() if role is Role.OWNER), None)
    return [
        Member(staff_id, role, phone if staff_id == owner else None)
        for staff_id, role in known.items()
    ]


def _look_at_budget(shop: Shop, money: Money, notes: Notes) -> None:
    """There the budget used was counted; here it is what the ledger says of vouchers."""
    paid = [one for one in money.payments if one.status is PaymentStatus.PAID]
    told, counted = shop.merchant.budget_used, sum(one.parts.voucher for one in paid)
    if told != counted:
        notes.change(
            f"{shop.merchant.id}.budgetUsed",
            f"{told / 100:.2f} was counted, {counted / 100:.2f} is what vouchers of its paid"
            " orders sum to, and what counts from now on",
        )


def _contract(shop: Shop, now: datetime) -> tenancy.OldContract | None:
    old = shop.contract
    if old is None:
        return None
    values = {name: getattr(old, name) for name in old.__slots__}
    return tenancy.OldContract(**values | {"submitted_at": old.submitted_at or now})


def _policy(shop: Shop, notes: Notes) -> TenantPolicy | None:
    old = shop.policy
    if old is None:
        return None
    if not old.write_enabled:
        notes.warn(shop.merchant.id, "it is read-only, as its policy there said")
    limits = {name: Limit(count, window) for name, (count, window) in old.limits.items()}
    return TenantPolicy(old.write_enabled, old.ws_enabled, limits)
