"""What a shop had besides money: papers, orders, campaigns, chats, its audit."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from mealquest.audit.service import restoring as auditing
from mealquest.campaigns.service import restoring as campaigning
from mealquest.core.ids import new_id
from mealquest.core.money import Currency
from mealquest.invoices.service import restoring as invoicing
from mealquest.legacy.entities import Chat, Proposal, Shop
from mealquest.legacy.history import SOURCE, Money
from mealquest.legacy.notes import Notes
from mealquest.payments.service import PaymentStatus
from mealquest.strategy.service import ProposalStatus
from mealquest.strategy.service import restoring as strategising
from mealquest.suppliers.service import OrderStatus
from mealquest.suppliers.service import restoring as supplying


def invoices_of(shop: Shop, money: Money, notes: Notes) -> list[invoicing.OldInvoice]:
    """One for each paid order; what does not fit its payment is left out, and said."""
    where = f"invoices of {shop.merchant.id}"
    payments = {one.id: one for one in money.payments if one.status is PaymentStatus.PAID}
    found: dict[str, invoicing.OldInvoice] = {}
    numbers: set[str] = set()
    for old in shop.invoices:
        payment = payments.get(old.payment_id)
        if payment is None:
            notes.leave_out(where, f"{old.number}: no paid order {old.payment_id} is there")
        elif payment.id in found or old.number in numbers:
            notes.leave_out(where, f"{old.number}: its order has an invoice, or its number a use")
        elif old.amount != payment.parts.order:
            notes.leave_out(where, f"{old.number}: its amount is not that of its order")
        else:
            numbers.add(old.number)
            paid_at = payment.confirmed_at or payment.created_at
            found[payment.id] = invoicing.OldInvoice(
                number=old.number,
                payment_id=payment.id,
                customer_id=payment.customer_id,
                parts=payment.parts,
                title=old.title,
                tax_no=old.tax_no,
                email=old.email,
                paid_at=paid_at,
                issued_at=old.issued_at or paid_at,
            )
    return list(found.values())


def orders_of(shop: Shop, notes: Notes) -> list[supplying.OldOrder]:
    where = f"partnerOrders of {shop.merchant.id}"
    known = {status.value: status for status in OrderStatus}
    found: dict[tuple[str, str], supplying.OldOrder] = {}
    for old in shop.orders:
        key = (old.partner_id, old.order_id)
        if key in found:
            notes.leave_out(where, f"{old.order_id} of {old.partner_id} is there twice")
            continue
        status = known.get(old.status, OrderStatus.CREATED)
        if old.status not in known:
            notes.change(where, f"{old.order_id}: {old.status} is kept as {status.value}")
        found[key] = supplying.OldOrder(
            old.partner_id, old.order_id, old.amount, status, old.paid_at
        )
    return list(found.values())


def campaigns_of(
    shop: Shop, currency: Currency, notes: Notes, now: datetime
) -> list[campaigning.OldCampaign]:
    """In their order, which decides between equal priorities; they had no date of their own."""
    where = f"campaigns of {shop.merchant.id}"
    found: dict[str, campaigning.OldCampaign] = {}
    for index, old in enumerate(shop.campaigns):
        if old.id in found:
            notes.problem(where, f"{old.id} is there twice")
        if fault := campaigning.fault_of(old.action, currency):
            notes.warn(where, f"{old.id} gives nothing as it is: {fault}")
        found[old.id] = campaigning.OldCampaign(
            id=old.id,
            name=old.name,
            status=old.status,
            priority=old.priority,
            event=old.event,
            conditions=old.conditions,
            action=old.action,
            cap_units=old.cap,
            cost_units=old.cost,
            used_units=min(old.used, old.cap),
            ttl_until=old.ttl_until,
            strategy_meta=old.meta or None,
            created_at=now + timedelta(microseconds=index - len(shop.campaigns)),
            updated_at=old.updated_at,
        )
    return list(found.values())


# --- the strategist ---------------------------------------------------------------------------


def proposals_of(
    shop: Shop, chats: Sequence[strategising.OldChat], notes: Notes, now: datetime
) -> list[strategising.OldProposal]:
    where = f"proposals of {shop.merchant.id}"
    open_chat = next((chat.id for chat in chats if chat.ended_at is None), None)
    pending = {old.pending_id for old in shop.chats if old.id == open_chat}
    found: dict[str, strategising.OldProposal] = {}
    for old in shop.proposals:
        if old.id in found:
            notes.problem(where, f"{old.id} is there twice")
        waits = old.status is ProposalStatus.PENDING
        created = old.created_at or old.decided_at or now
        found[old.id] = strategising.OldProposal(
            id=old.id,
            status=old.status,
            title=old.title,
            intent=old.intent,
            template_id=_text(old.meta, "templateId"),
            branch_id=_text(old.meta, "branchId"),
            strategy_meta=old.meta,
            campaign=_draft(old, created),
            session_id=open_chat if waits and old.id in pending else None,
            created_by=_text(old.meta, "operatorId") or SOURCE,
            created_at=created,
            decided_by=None if waits else old.decided_by or SOURCE,
            decided_at=None if waits else old.decided_at or created,
        )
    return list(found.values())


def _text(meta: dict[str, Any], name: str) -> str:
    value = meta.get(name)
    return value if isinstance(value, str) else ""


def _draft(old: Proposal, created: datetime) -> dict[str, Any]:
    """The suggested campaign with every part that approving reads; its life runs from then on."""
    said = old.campaign
    budget = said.get("budget") if isinstance(said.get("budget"), dict) else {}
    trigger = said.get("trigger") if isinstance(said.get("trigger"), dict) else {}
    left = old.ttl_until - created if old.ttl_until else None
    return {
        "id": str(said["id"]),
        "name": str(said.get("name") or old.title),
        "priority": _whole(said.get("priority")),
        "trigger": {"event": str((trigger or {}).get("event") or "")},
        "conditions": [one for one in said.get("conditions") or [] if isinstance(one, dict)],
        "budget": {
            "cap": _whole((budget or {}).get("cap")),
            "used": 0,
            "costPerHit": _whole((budget or {}).get("costPerHit")),
        },
        "action": said.get("action") or {},
        "ttlHours": max(1, math.ceil(left.total_seconds() / 3600)) if left else None,
    }


def _whole(value: Any) -> int:
    return max(0, int(value)) if isinstance(value, int | float) else 0


def chats_of(shop: Shop, notes: Notes, now: datetime) -> list[strategising.OldChat]:
    """The latest is the one that is open."""
    where = f"strategyChats of {shop.merchant.id}"
    ids = [chat.id for chat in shop.chats]
    if len(set(ids)) < len(ids):
        notes.problem(where, "a session is there twice")
    last = max(shop.chats, key=lambda chat: _last(chat, now), default=None)
    return [_chat(chat, now, is_open=chat is last) for chat in shop.chats]


def _last(chat: Chat, now: datetime) -> datetime:
    return chat.updated_at or chat.created_at or now


def _chat(chat: Chat, now: datetime, *, is_open: bool) -> strategising.OldChat:
    begun, last = chat.created_at or now, _last(chat, now)
    return strategising.OldChat(
        id=chat.id,
        created_by=chat.created_by,
        created_at=begun,
        updated_at=last,
        ended_at=None if is_open else last,
        messages=[
            strategising.OldMessage(
                role=said.role,
                type=said.type,
                text=said.text,
                proposal_id=said.proposal_id,
                card=said.card,
                created_at=said.created_at or begun,
            )
            for said in chat.messages
        ],
    )


def configs_of(shop: Shop, now: datetime) -> list[strategising.OldConfig]:
    found = {
        old.template_id: strategising.OldConfig(
            old.template_id,
            old.branch_id,
            old.status,
            old.last_proposal_id,
            old.last_campaign_id,
            old.updated_at or now,
        )
        for old in shop.configs
    }
    return list(found.values())


# --- the audit --------------------------------------------------------------------------------


def audit_of(shop: Shop) -> list[auditing.OldRow]:
    """Every row, in the order of time; one with another row's id gets its own."""
    found: dict[str, auditing.OldRow] = {}
    for old in sorted(shop.audit, key=lambda row: (row.at, row.id)):
        audit_id = new_id("audit") if old.id in found else old.id
        found[audit_id] = auditing.OldRow(
            audit_id, old.at, old.action, old.status, old.role, old.operator_id, old.details
        )
    return list(found.values())
