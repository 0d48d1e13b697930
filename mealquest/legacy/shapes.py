"""Where a state document keeps what, whichever way it nests it.

Each kind may be a list of objects, an object by id, an object by merchant of lists or objects by
id, or a list of `[key, value]` pairs as JavaScript writes out a Map. An object is an entity when it
has one of the fields that mark its kind.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mealquest.legacy.notes import Notes

DEEPEST = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entity: what the document may call it, and the fields that mark one."""

    name: str
    called: frozenset[str]
    marks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Found:
    """An entity, where it stood, and the names above it, outermost first."""

    kind: str
    where: str
    path: tuple[str, ...]
    data: Mapping[str, Any]


def _kind(name: str, called: str, marks: str) -> Kind:
    return Kind(name, frozenset(called.split()), frozenset(marks.split()))


KINDS = (
    _kind("merchants", "merchants", "name budgetCap killSwitchEnabled staff"),
    _kind("users", "users merchantUsers customers merchantCustomers", "wallet displayName"),
    _kind("payments", "payments merchantPayments", "orderAmount deduction"),
    _kind("invoices", "invoices merchantInvoices", "invoiceNo paymentTxnId"),
    _kind("partnerOrders", "partnerOrders supplierOrders", "orderId partnerId"),
    _kind("strategyConfigs", "strategyConfigs merchantStrategyConfigs", "branchId templateId"),
    _kind("strategyChats", "strategyChats strategyChatSessions chatSessions", "messages sessionId"),
    _kind("allianceConfigs", "allianceConfigs alliances", "stores clusterId walletShared"),
    _kind(
        "identityBindings",
        "identityBindings socialBindings customerBindings phoneBindings customerPhoneBindings"
        " socialAuth customerIdentityBindings",
        "userId",
    ),
    _kind(
        "contractApplications", "contractApplications contracts", "companyName settlementAccount"
    ),
    _kind("tenantPolicies", "tenantPolicies", "writeEnabled wsEnabled limits"),
    _kind("ledger", "ledger ledgerRows ledgerEntries", "txnId"),
    _kind("audit", "audit auditLogs auditLog auditEntries auditTrail", "auditId action"),
    _kind("campaigns", "campaigns merchantCampaigns", "trigger action"),
    _kind("proposals", "proposals merchantProposals", "suggestedCampaign"),
)
ROUTES = frozenset({"tenantRoutes", "tenantRouteFiles", "tenantRouteMap"})
KEYS = frozenset({"idempotencyRecords", "idempotency", "idempotencyMap", "idempotencyKeys"})
# What is known, and why it does not come along.
NOT_BROUGHT = {
    "counters": "ids are made without counters here",
    "idCounters": "ids are made without counters here",
    "phoneLoginCodes": "codes live five minutes; a new one is asked for",
    "phoneCodes": "codes live five minutes; a new one is asked for",
    "tenantMigrations": "moves of the old server are over",
    "migrationStates": "moves of the old server are over",
    "migrations": "moves of the old server are over",
    "version": "it is of the old server's own",
    "schemaVersion": "it is of the old server's own",
    "updatedAt": "it is of the old server's own",
    "savedAt": "it is of the old server's own",
}


def kind_of(name: str) -> Kind | None:
    """What the document's member of this name holds; `…ByMerchant` is the same as without."""
    bare = name.removesuffix("ByMerchant")
    return next((kind for kind in KINDS if bare in kind.called or name in kind.called), None)


def entities(kind: Kind, name: str, value: Any, notes: Notes) -> Iterator[Found]:
    """Every entity under one member of the document."""
    yield from _walk(kind, name, (), value, notes)


def pairs(where: str, value: Any, notes: Notes) -> Iterator[tuple[str, Any]]:
    """Keys with their values, of an object, a list of pairs, or a list of `{key, …}`."""
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if _is_pair(item):
                yield item[0], item[1]
            elif isinstance(item, dict) and isinstance(item.get("key"), str):
                names = ("response", "value", "result", "answer", "payload")
                found = next((item[n] for n in names if item.get(n) is not None), None)
                yield item["key"], found
            else:
                notes.problem(f"{where}[{index}]", "must be a key with its value")
    elif value is not None:
        notes.problem(where, "must be an object")


def _walk(
    kind: Kind, where: str, path: tuple[str, ...], value: Any, notes: Notes
) -> Iterator[Found]:
    if value is None:
        return
    if isinstance(value, dict) and kind.marks & value.keys():
        yield Found(kind.name, where, path, value)
    elif isinstance(value, dict) and len(path) < DEEPEST:
        for name, inner in value.items():
            yield from _walk(kind, f"{where}.{name}", (*path, name), inner, notes)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if _is_pair(item):
                yield from _walk(kind, f"{where}.{item[0]}", (*path, item[0]), item[1], notes)
            else:
                yield from _walk(kind, f"{where}[{index}]", path, item, notes)
    else:
        notes.problem(where, f"is nothing of the kind of {kind.name}")


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and isinstance(item[0], str)
