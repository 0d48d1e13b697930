"""Where the schema keeps what concerns a customer: every table is named here, one way or the other.

An export reads tables and not views: what a feature forgets to show is the customer's all the
same. A test walks the schema and fails for a table, and for a column, that is not accounted for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import ColumnElement, Table, and_, or_, select

from mealquest.core.db import Base

SECRET = "a key, or a keyed hash: it says nothing by itself"
REPEATS = "the answer to a repeated request: what it tells of stands in the other tables"


@dataclass(frozen=True, slots=True)
class Share:
    """The rows of one table that concern a customer.

    Attributes:
        column: names the customer; or, with `of`, a row of that table, which is shared as well.
        sealed: column -> where its text is sealed, with the row's own columns in braces.
        hidden: column -> why an export leaves it out.
    """

    table: str
    column: str
    of: str | None = None
    sealed: Mapping[str, str] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)

    def about(self, merchant_id: str, customer_id: str) -> ColumnElement[bool]:
        """The condition that a row of the table concerns this customer."""
        here = table(self.table)
        mine = here.c.merchant_id == merchant_id
        if self.of is None:
            return and_(mine, here.c[self.column] == customer_id)
        parent = table(self.of)
        key = next(column for column in parent.primary_key if column.name != "merchant_id")
        shared = select(key).where(SHARES[self.of].about(merchant_id, customer_id))
        return and_(mine, here.c[self.column].in_(shared))


@dataclass(frozen=True, slots=True)
class AuditShare(Share):
    """What the customer did, and what others did that names them."""

    def about(self, merchant_id: str, customer_id: str) -> ColumnElement[bool]:
        log, people = table(self.table), table("customers")
        since = (
            select(people.c.created_at)
            .where(people.c.merchant_id == merchant_id, people.c.id == customer_id)
            .scalar_subquery()
        )
        by_them = and_(log.c.role == "CUSTOMER", log.c.operator_id == customer_id)
        named = log.c.details["userId"].astext == customer_id
        return and_(
            log.c.merchant_id == merchant_id,
            log.c.occurred_at >= since - timedelta(seconds=1),  # the audit's times are rounded
            or_(by_them, named),
        )


def table(name: str) -> Table:
    return Base.metadata.tables[name]


SHARES: dict[str, Share] = {
    share.table: share
    for share in (
        Share(
            "customers",
            "id",
            sealed={"sealed_name": "customers.display_name", "phone": "customers.phone"},
            hidden={"phone_hash": SECRET},
        ),
        Share(
            "customer_birthdays",
            "customer_id",
            sealed={"day_sealed": "customer_birthdays.day"},
            hidden={"day_mark": SECRET, "month_mark": SECRET},
        ),
        Share("wallets", "customer_id"),
        Share("bonus_lots", "customer_id"),
        Share("vouchers", "customer_id"),
        Share("top_ups", "customer_id"),
        Share("ledger_entries", "customer_id"),
        Share("ledger_postings", "entry_id", of="ledger_entries"),
        Share("payments", "customer_id"),
        Share("payments_paid_again", "payment_id", of="payments"),
        Share("payment_gifts", "payment_id", of="payments"),
        Share("refunds", "payment_id", of="payments"),
        Share("gateway_refunds", "payment_id", of="payments"),
        Share("receivables", "customer_id"),
        Share(
            "invoices",
            "customer_id",
            sealed={
                "title_sealed": "invoices.title:{number}",
                "tax_no_sealed": "invoices.tax_no:{number}",
                "email_sealed": "invoices.email:{number}",
            },
        ),
        Share("invoice_refunds", "number", of="invoices"),
        Share(
            "invoice_mails",
            "number",
            of="invoices",
            sealed={"recipient_sealed": "invoice_mails.recipient:{id}"},
        ),
        Share(
            "social_identities",
            "customer_id",
            hidden={"subject_hash": SECRET, "union_hash": SECRET},
        ),
        Share("live_events", "user_id"),
        Share("campaign_triggers", "customer_id"),
        Share("campaign_hits", "customer_id"),
        Share("campaign_exposures", "customer_id"),
        Share("privacy_exports", "customer_id"),
        Share("alliance_acts", "customer_id"),  # which stores have a copy of the profile
        AuditShare("audit_log", "operator_id"),
    )
}

NOT_SHARED: dict[str, str] = {
    # of a customer, and still not for the file
    "customer_keys": SECRET,
    "customer_name_terms": "hashed parts of the name, which is in the file",
    "idempotency_keys": REPEATS,
    "privacy_export_chunks": "the file itself",
    "outbox_events": "on its way for a second; what it tells of stands in the other tables",
    "outbound_messages": "on its way; codes, and mails that invoice_mails names",
    "phone_codes": "a hashed code that lives for minutes",
    "shared_holds": "orders that wait at another store for half an hour; the wallet says it too",
    "live_tickets": "a hashed ticket that lives for half a minute",
    # of nobody, of the shop, or of its staff
    "alliance_configs": "of the shop",
    "alliance_links": "of shops to each other",
    "audit_chains": "how far the audit is sealed",
    "audit_seals": "hashes of the audit",
    "campaigns": "offers of the shop",
    "campaign_months": "a sum",
    "campaign_replays": "sums over everybody",
    "contract_applications": "of the shop",
    "invoice_numbers": "a count",
    "live_presence": "a count of sockets",
    "live_streams": "a count of events",
    "lookup_keys": SECRET,
    "merchant_settings": "of the shop",
    "merchant_migrations": "where the shop lies",
    "merchants": "of the shop",
    "move_marks": "where the shop lies",
    "placements": "where the shop lies",
    "tenant_gates": "where the shop lies",
    "tenant_moves": "where the shop lies",
    "waiting_callbacks": "on their way while the shop is closed; what they do stands with payments",
    "settlement_closings": "of shops to each other",
    "settlement_days": "of shops to each other",
    "settlements": "of shops to each other",
    "settlement_positions": "of shops to each other",
    "partner_order_history": "orders of suppliers",
    "partner_order_imports": "orders of suppliers",
    "partner_orders": "orders of suppliers",
    "proposals": "offers of the shop",
    "staff": "of the staff",
    "staff_phones": "of the staff",
    "staff_sessions": "of the staff",
    "strategy_configs": "of the shop",
    "strategy_messages": "what the management and the strategist say to each other",
    "strategy_sessions": "chats of the management",
    "strategy_turns": "what the management asks the strategist",
    "supplier_partners": "suppliers of the shop",
    "tenant_policies": "of the shop",
    "top_up_rules": "offers of the shop",
    # of who pays a subscription at Stripe, which is nobody the wallet knows
    "charge_attempts": "payers at Stripe, by its ids",
    "daily_metrics": "sums",
    "daily_recoveries": "sums",
    "dunning_gaps": "payers at Stripe, by its ids",
    "dunning_settings": "of the shop",
    "email_templates": "words of the shop",
    "mail_suppressions": "keyed hashes of payers' addresses",
    "processed_events": "events of Stripe, by its ids",
    "recoveries": "payers at Stripe, by its ids",
    "recovery_cases": "payers at Stripe, by its ids",
    "recovery_entries": "payers at Stripe, by its ids",
    "recovery_mails": "payers at Stripe, by its ids",
    "recovery_syncs": "how far events are read",
    "scheduled_tasks": "payers at Stripe, by its ids",
    "stripe_oauth_states": "hashes that live for minutes",
    "usage_logs": "counts",
    "usage_months": "a count",
}
