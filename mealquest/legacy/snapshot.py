"""A whole state document, out of JSON into shops. Pure: no database, no clock."""

from collections.abc import Callable, Mapping
from typing import Any

from mealquest.core.errors import Invalid
from mealquest.legacy import parsing, parsing_plans, shapes
from mealquest.legacy.entities import KeptKey, PartnerOrder, Shop
from mealquest.legacy.notes import Notes
from mealquest.legacy.reading import Reader, plain
from mealquest.legacy.shapes import Found
from mealquest.tenancy.service import require_merchant_id

ROUTES_OF_KEYS = ("verify", "refund", "callback")
Shops = dict[str, Shop]
Read = Callable[[Shop, Reader, Found], None]


class Document:
    """The members of one document, sorted by what they hold."""

    def __init__(self, where: str, state: Mapping[str, Any], notes: Notes) -> None:
        self.where, self.notes = where, notes
        self.found: list[Found] = []
        self.routes: dict[str, str] = {}
        self.keys: list[tuple[str, Any]] = []
        for name, value in state.items():
            self._take(name, value)

    def _take(self, name: str, value: Any) -> None:
        kind = shapes.kind_of(name)
        if kind is not None:
            self.found += shapes.entities(kind, name, value, self.notes)
        elif name in shapes.ROUTES:
            for merchant_id, route in shapes.pairs(name, value, self.notes):
                self.routes[merchant_id] = _route(route)
        elif name in shapes.KEYS:
            self.keys += shapes.pairs(name, value, self.notes)
        elif name in shapes.NOT_BROUGHT:
            if value:
                self.notes.leave_out(name, shapes.NOT_BROUGHT[name])
        elif value not in (None, {}, [], ""):
            self.notes.problem(name, "is not known; what it holds would be lost")

    def of(self, kind: str) -> list[Found]:
        return [one for one in self.found if one.kind == kind]


def opened(payload: Any) -> Mapping[str, Any] | None:
    """The state of a payload, bare or wrapped as `{"state": {…}}`; None: it is none."""
    if not isinstance(payload, dict):
        return None
    inner = payload.get("state", payload.get("payload"))
    wrapped = isinstance(inner, dict) and "merchants" not in payload
    return inner if wrapped else payload


def shops_of(document: Document) -> Shops:
    """Every merchant of the document with what is theirs."""
    notes = document.notes
    shops = _merchants(document)
    for found in document.found:
        if found.kind in {"merchants", "partnerOrders"}:
            continue
        shop = _shop(shops, found, notes)
        if shop is not None:
            read = Reader(found.kind, found.where, found.data, notes)
            READ[found.kind](shop, read, found)
            read.end()
    _orders(document, shops)
    for key, answer in document.keys:
        _key(shops, key, answer, notes)
    return shops


def _merchants(document: Document) -> Shops:
    shops: Shops = {}
    for found in document.of("merchants"):
        merchant_id = _merchant_id(found)
        data = {name: value for name, value in found.data.items() if name not in _OWN}
        read = Reader("merchants", found.where, data, document.notes)
        if not _is_merchant_id(merchant_id):
            read.problem("merchantId", f"{merchant_id!r} cannot be the id of a merchant")
        elif merchant_id in shops:
            read.problem("merchantId", f"{merchant_id} is there twice")
        else:
            shops[merchant_id] = Shop(parsing.merchant(read, merchant_id))
            read.end()
            document.found += _inside(found, merchant_id, document.notes)
    return shops


_OWN = frozenset({"users", "payments", "invoices", "campaigns", "proposals", "customers"})


def _inside(found: Found, merchant_id: str, notes: Notes) -> list[Found]:
    """What a merchant's own object holds of what is theirs."""
    inside: list[Found] = []
    for name in _OWN & found.data.keys():
        kind = shapes.kind_of(name)
        if kind is not None:
            for one in shapes.entities(kind, f"{found.where}.{name}", found.data[name], notes):
                path = (merchant_id, *one.path)
                inside.append(Found(one.kind, one.where, path, one.data))
    return inside


def _is_merchant_id(text: str) -> bool:
    try:
        require_merchant_id(text)
    except Invalid:
        return False
    return True


def _merchant_id(found: Found) -> str:
    """What a merchant calls itself, or the name it stood under."""
    said = found.data.get("merchantId") or found.data.get("id")
    return str(said or (found.path[-1] if found.path else ""))


def _shop(shops: Shops, found: Found, notes: Notes) -> Shop | None:
    said = found.data.get("merchantId")
    merchant_id = str(said) if said else next((n for n in found.path if n in shops), "")
    shop = shops.get(merchant_id)
    if shop is None:
        told = f"of a merchant that is not there ({merchant_id or 'it names none'})"
        if found.kind == "audit":
            notes.leave_out(found.where, told)
        else:
            notes.problem(found.where, told)
    return shop


def _route(value: Any) -> str:
    if isinstance(value, dict):
        names = ("snapshotKey", "key", "route", "target")
        return next((str(value[name]) for name in names if value.get(name)), "")
    return str(value or "")


def _name(found: Found, shop: Shop) -> str | None:
    """The name an entity stood under, if it is not its merchant's."""
    last = found.path[-1] if found.path else None
    return None if last == shop.merchant.id else last


# --- one kind after the other -----------------------------------------------------------------


def _user(shop: Shop, read: Reader, found: Found) -> None:
    user_id = read.id("uid", "userId", "id", default=_name(found, shop))
    shop.users.append(parsing.user(read, user_id))


def _payment(shop: Shop, read: Reader, found: Found) -> None:
    payment_id = read.id("paymentTxnId", "txnId", "id", default=_name(found, shop))
    payment = parsing.payment(read, payment_id)
    if payment:
        shop.payments.append(payment)


def _ledger(shop: Shop, read: Reader, _found: Found) -> None:
    row = parsing.ledger_row(read)
    if row:
        shop.ledger.append(row)


def _audit(shop: Shop, read: Reader, _found: Found) -> None:
    entry = parsing.audit_entry(read)
    if entry:
        shop.audit.append(entry)


def _binding(shop: Shop, read: Reader, found: Found) -> None:
    shop.bindings.append(parsing.binding(read, found.path[-1] if found.path else ""))


def _config(shop: Shop, read: Reader, found: Found) -> None:
    template_id = read.id("templateId", default=_name(found, shop))
    shop.configs.append(parsing_plans.strategy_config(read, template_id))


def _set_contract(shop: Shop, read: Reader, _found: Found) -> None:
    shop.contract = parsing.contract(read)


def _set_policy(shop: Shop, read: Reader, _found: Found) -> None:
    shop.policy = parsing_plans.policy(read)


def _set_alliance(shop: Shop, read: Reader, _found: Found) -> None:
    shop.alliance = parsing_plans.alliance(read)


READ: dict[str, Read] = {
    "users": _user,
    "payments": _payment,
    "ledger": _ledger,
    "audit": _audit,
    "identityBindings": _binding,
    "strategyConfigs": _config,
    "invoices": lambda shop, read, _: shop.invoices.append(parsing.invoice(read)),
    "campaigns": lambda shop, read, _: shop.campaigns.append(parsing_plans.campaign(read)),
    "proposals": lambda shop, read, _: shop.proposals.append(parsing_plans.proposal(read)),
    "strategyChats": lambda shop, read, _: shop.chats.append(parsing_plans.chat(read)),
    "contractApplications": _set_contract,
    "tenantPolicies": _set_policy,
    "allianceConfigs": _set_alliance,
}


def _orders(document: Document, shops: Shops) -> None:
    """Partners' orders belonged to no merchant: each shop honoured them, and keeps its own."""
    shared = 0
    for found in document.of("partnerOrders"):
        read = Reader(found.kind, found.where, found.data, document.notes)
        order: PartnerOrder = parsing.partner_order(read)
        read.end()
        own = shops.get(str(found.data.get("merchantId")))
        for shop in [own] if own else shops.values():
            shop.orders.append(order)
        shared += own is None and len(shops) > 1
    if shared:
        document.notes.warn(
            "partnerOrders", f"{shared} belonged to no merchant: every merchant gets them, once"
        )


def _key(shops: Shops, key: str, answer: Any, notes: Notes) -> None:
    """`verify:m_1:the-key`, or with spaces around the colons."""
    parts = [part.strip() for part in key.split(":", 2)]
    where = f"idempotencyRecords.{key}"
    if len(parts) < 3 or parts[0] not in ROUTES_OF_KEYS or not _is_key(parts[2]):
        notes.problem(where, "is no key of a payment, a refund or a callback")
    elif parts[1] not in shops:
        notes.problem(where, "of a merchant that is not there")
    else:
        inner = answer.get("response", answer) if isinstance(answer, dict) else None
        kept = plain(inner) if isinstance(inner, dict) else None
        shops[parts[1]].keys.append(KeptKey(parts[0], parts[2], kept))


def _is_key(text: str) -> bool:
    return bool(text) and text.isprintable()
