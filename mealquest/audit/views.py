"""The record of who did what: to read, to filter, to look into, to take along as CSV."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask import Response, url_for
from pydantic import Field

from mealquest.audit import service
from mealquest.audit.chain import Fault
from mealquest.audit.forms import AuditForm, AuditRowForm
from mealquest.audit.replies import AuditDetail, AuditEntry, AuditPage, ChainView
from mealquest.audit.words import (
    ACTIONS,
    AMOUNTS,
    DETAILS,
    FAULTS,
    MACHINES,
    PEOPLE,
    REASONS,
    STATUSES,
)
from mealquest.core.principal import MERCHANT, Role
from mealquest.core.spreadsheet import local
from mealquest.core.wire import NoInput
from mealquest.web import lists, people
from mealquest.web.frame import Call, Face, Feature, Operation, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import money, role_label, zone
from mealquest.web.look import translate as _
from mealquest.web.people import Directory
from mealquest.web.wording import page_words

feature = Feature("audit")


class AuditView(AuditPage, Listing):
    """The list with what its page needs besides."""

    people: dict[str, str] = Field(default_factory=dict, exclude=True)
    staff: list[tuple[str, str]] = Field(default_factory=list, exclude=True)
    chain: ChainView | None = Field(None, exclude=True)


class AuditDetailView(AuditDetail):
    people: dict[str, str] = Field(default_factory=dict, exclude=True)


@dataclass(frozen=True, slots=True)
class Pair:
    """One detail of an act, to be read."""

    label: str
    text: str
    url: str | None = None


@feature.get(
    api="/api/audit/logs",
    page="/console/audit",
    roles=MERCHANT,
    scope=Scope.QUERY,
    gate=Operation.AUDIT_QUERY,
    template="audit/audit",
)
def audit(call: Call, form: AuditForm) -> AuditView:
    """Who did what and what came of it, newest first."""
    page = service.logs(call.merchant_id, form, zone())
    page = page.model_copy(update={"items": _shown(call.merchant_id, page.items)})
    if call.face is Face.API:
        return AuditView(**dict(page))
    following = page.page_info.next_cursor
    chosen = {form.operator_id} if form.operator_id else set()
    known = people.directory(call.merchant_id, _ids(page.items) | chosen)
    return AuditView(
        **dict(page),
        **lists.links(call, form, "audit.audit.page", following, csv="audit.audit_csv.page"),
        people=known.names,
        staff=_choices(known, form.operator_id),
        chain=service.chain_state(call.merchant_id),
    )


@feature.get(
    api="/api/audit/logs.csv",
    page="/console/audit.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    gate=Operation.AUDIT_QUERY,
    media="text/csv",
)
def audit_csv(call: Call, form: AuditForm) -> Response:
    """The audit's list as a CSV file, all pages of it."""
    here = zone()
    header = [
        _("Time (%(zone)s)", zone=here.key),
        _("What"),
        _("Outcome"),
        _("Role"),
        _("Person"),
        _("Details"),
        _("Request"),
        _("Id"),
    ]
    batches = service.every(call.merchant_id, form, here)
    rows: Iterator[Any] = (
        [_cells(entry, here) for entry in _shown(call.merchant_id, batch)] for batch in batches
    )
    return lists.csv_file(call, "audit", form, header, rows)


@feature.get(
    api="/api/audit/chain",
    roles=MERCHANT,
    scope=Scope.QUERY,
    gate=Operation.AUDIT_QUERY,
)
def chain(call: Call, form: NoInput) -> ChainView:
    """How far the audit is sealed, and whether its chain held at the last check."""
    return service.chain_state(call.merchant_id)


@feature.post(
    api="/api/audit/chain/check",
    page="/console/audit/check",
    roles=lists.EXPORTERS,
    scope=Scope.BODY,
    ungated="changes nothing: it has the chain looked through",
    see_other=lambda _view: url_for("audit.audit.page", _anchor="seal"),
    flash=lambda _view: _("The audit is being looked through. Reload this page in a moment."),
)
def check_chain(call: Call, form: NoInput) -> ChainView:
    """Have every entry of the audit compared with its seal now."""
    return service.ask_for_chain_check(call.merchant_id)


@feature.get(
    api="/api/audit/chain.jsonl",
    page="/console/audit.jsonl",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    gate=Operation.AUDIT_QUERY,
    media="application/jsonl",
)
def chain_export(call: Call, form: NoInput) -> Response:
    """The sealed audit, an entry with its hash a line, oldest first: proof on any machine."""
    lines = service.export_chain(call.merchant_id)
    return lists.download(call, "audit-chain", "jsonl", "application/jsonl", lines)


@feature.get(
    api="/api/audit/logs/<audit_id>",
    page="/console/audit/<audit_id>",
    roles=MERCHANT,
    scope=Scope.QUERY,
    gate=Operation.AUDIT_QUERY,
    template="audit/row",
)
def audit_row(call: Call, form: AuditRowForm) -> AuditDetailView:
    """One act, with everything known of it and what else its request did."""
    found = service.detail(call.merchant_id, form.audit_id)
    (entry,) = _shown(call.merchant_id, [found.entry])
    others = _shown(call.merchant_id, found.same_request)
    found = AuditDetail(entry=entry, same_request=others)
    ids = _ids([found.entry, *found.same_request])
    return AuditDetailView(**dict(found), people=people.names(call.merchant_id, ids))


def _shown(merchant_id: str, entries: list[AuditEntry]) -> list[AuditEntry]:
    """The entries as they are to be read: who closed an account goes by another id in them.

    The rows themselves cannot change, and their seals go on holding.
    """
    gone = people.cancelled(merchant_id, _ids(entries))
    return [_renamed(entry, gone) for entry in entries] if gone else entries


def _renamed(entry: AuditEntry, gone: dict[str, str]) -> AuditEntry:
    details = {
        name: gone.get(str(value), value) if name in PEOPLE else value
        for name, value in entry.details.items()
    }
    operator = gone.get(entry.operator_id, entry.operator_id)
    return entry.model_copy(update={"operator_id": operator, "details": details})


def _ids(entries: list[AuditEntry]) -> set[str]:
    """Whoever acted, and those whom the acts were about."""
    about = (entry.details.get(name) for entry in entries for name in PEOPLE)
    return {entry.operator_id for entry in entries} | {i for i in about if isinstance(i, str)}


def _choices(known: Directory, chosen: str | None) -> list[tuple[str, str]]:
    """Options of the filter by person, with the one that an address may have brought along."""
    options = [*known.staff, *((name, str(words)) for name, words in MACHINES.items())]
    if chosen and all(chosen != option for option, _label in options):
        options.append((chosen, known.names.get(chosen, chosen)))
    return options


def _cells(entry: AuditEntry, here: Any) -> list[Any]:
    return [
        local(entry.timestamp, here),
        entry.action,
        entry.status,
        entry.role,
        entry.operator_id,
        "; ".join(f"{name}: {value}" for name, value in _flat(entry.details)),
        entry.request_id,
        entry.audit_id,
    ]


@feature.word
def audit_actions() -> list[tuple[str, str]]:
    """Every action that has a name, by that name."""
    return sorted(((action, str(words)) for action, words in ACTIONS.items()), key=lambda o: o[1])


@feature.word
def audit_action(action: str) -> str:
    return str(ACTIONS.get(action, action))


@feature.word
def audit_statuses() -> list[tuple[str, str]]:
    return [(status, str(words)) for status, (words, _tone) in STATUSES.items()]


@feature.word
def audit_status(status: str) -> dict[str, str]:
    words, tone = STATUSES.get(status, (status, "neutral"))
    return {"label": str(words), "tone": tone}


@feature.word
def chain_fault(found: ChainView) -> str:
    """Why a chain does not hold, in the reader's language."""
    return str(FAULTS[Fault(found.broken_why)]) if found.broken_why else ""


@feature.word
def audit_person(entry: AuditEntry, names: dict[str, str]) -> str:
    """Whoever acted, by name where they have one."""
    found = names.get(entry.operator_id) or MACHINES.get(entry.operator_id)
    return str(found or entry.operator_id)


@feature.word
def audit_role(entry: AuditEntry) -> str:
    roles = {role.value: role for role in Role}
    return role_label(roles[entry.role]) if entry.role in roles else entry.role


@feature.word
def audit_pairs(entry: AuditEntry, names: dict[str, str]) -> list[Pair]:
    """An act's details as label and text, with the way to what they name."""
    return [_pair(name, value, names) for name, value in _flat(entry.details)]


def _flat(details: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in details.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _pair(name: str, value: Any, names: dict[str, str]) -> Pair:
    label = " · ".join(str(DETAILS.get(part) or audit_action(part)) for part in name.split("."))
    known = names.get(value) if name in PEOPLE and isinstance(value, str) else None
    return Pair(label, known or _text(name.rpartition(".")[2], value), _url(name, value))


def _text(name: str, value: Any) -> str:
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if name in AMOUNTS and isinstance(value, int | float):
        return money(Decimal(str(value)))
    if name in REASONS:
        return page_words(str(value)) or str(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _url(name: str, value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    if name == "paymentTxnId":
        return url_for("payments.payment.page", payment_id=value)
    is_there = name == "userId" and not value.startswith("DELETED_")
    return url_for("wallet.customer.page", user_id=value) if is_there else None
