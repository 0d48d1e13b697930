"""What must always be true of payments, holds and refunds; what a hold left behind is let go."""

from collections import Counter

from sqlalchemy import text

from mealquest.core.checks import MOST_FINDINGS, Check, Finding, by_statement, found
from mealquest.core.db import after_commit_ring, transaction
from mealquest.core.principal import SYSTEM
from mealquest.payments import refunds
from mealquest.wallet import service as wallets

# What the payments that wait of each customer hold, here or at a store that shares the wallet, and
# what the wallet says is held.
_ORPHAN_HOLDS = text(
    """
    WITH waiting AS (
        SELECT customer_id, principal_minor, bonus_minor, silver_minor FROM payments
         WHERE merchant_id = :merchant AND status = 'PENDING_EXTERNAL'
           AND wallet_merchant_id IS NULL
         UNION ALL
        SELECT customer_id, principal_minor, bonus_minor, silver_minor FROM shared_holds
         WHERE merchant_id = :merchant)
    SELECT w.customer_id,
           'held ' || w.held_principal_minor || '/' || w.held_bonus_minor || '/'
           || w.held_silver_minor || ', waiting payments hold ' || coalesce(p.principal, 0)
           || '/' || coalesce(p.bonus, 0) || '/' || coalesce(p.silver, 0)
      FROM wallets w
      LEFT JOIN (SELECT customer_id, sum(principal_minor) AS principal, sum(bonus_minor) AS bonus,
                        sum(silver_minor) AS silver
                   FROM waiting GROUP BY customer_id) p USING (customer_id)
     WHERE w.merchant_id = :merchant
       AND (w.held_principal_minor, w.held_bonus_minor, w.held_silver_minor)
           IS DISTINCT FROM (coalesce(p.principal, 0), coalesce(p.bonus, 0), coalesce(p.silver, 0))
     ORDER BY w.customer_id LIMIT :limit
    """
)
_HELD_VOUCHERS = text(
    """
    SELECT v.id, 'a voucher held for ' || coalesce(v.used_by, 'nothing')
           || ', which does not wait'
      FROM vouchers v
     WHERE v.merchant_id = :merchant AND v.status = 'HELD'
       AND NOT EXISTS (SELECT FROM payments p
                        WHERE p.merchant_id = v.merchant_id AND p.id = v.used_by
                          AND p.status = 'PENDING_EXTERNAL')
       AND NOT EXISTS (SELECT FROM shared_holds h
                        WHERE h.merchant_id = v.merchant_id AND h.customer_id = v.customer_id
                          AND h.payment_id = v.used_by)
     ORDER BY v.id LIMIT :limit
    """
)
_SALES = text(
    """
    WITH sold AS (
        SELECT e.reference AS id, sum(l.amount_minor) AS minor
          FROM ledger_entries e
          JOIN ledger_postings l ON l.merchant_id = e.merchant_id AND l.entry_id = e.id
         WHERE e.merchant_id = :merchant AND l.destination = 'merchant:sales'
           AND e.kind IN ('PAYMENT', 'PAYMENT_EXTERNAL_CONFIRM')
         GROUP BY e.reference)
    SELECT coalesce(p.id, sold.id),
           coalesce(p.status, 'NO_PAYMENT') || ' of ' || coalesce(p.order_minor, 0)
           || ', posted ' || coalesce(sold.minor, 0)
      FROM (SELECT id, status, order_minor FROM payments WHERE merchant_id = :merchant) p
      FULL JOIN sold ON sold.id = p.id
     WHERE coalesce(sold.minor, 0)
           <> CASE WHEN p.status = 'PAID' THEN p.order_minor ELSE 0 END
     ORDER BY 1 LIMIT :limit
    """
)
_REFUNDED = text(
    """
    WITH back AS (
        SELECT payment_id AS id, sum(amount_minor) AS minor FROM refunds
         WHERE merchant_id = :merchant GROUP BY payment_id),
    posted AS (
        SELECT r.payment_id AS id, sum(l.amount_minor) AS minor
          FROM refunds r
          JOIN ledger_postings l ON l.merchant_id = r.merchant_id AND l.entry_id = r.id
         WHERE r.merchant_id = :merchant AND l.source = 'merchant:sales'
         GROUP BY r.payment_id)
    SELECT p.id, p.refunded_minor || ' refunded, refunds of ' || coalesce(back.minor, 0)
           || ', posted ' || coalesce(posted.minor, 0)
      FROM payments p LEFT JOIN back USING (id) LEFT JOIN posted USING (id)
     WHERE p.merchant_id = :merchant
       AND (p.refunded_minor <> coalesce(back.minor, 0)
            OR p.refunded_minor <> coalesce(posted.minor, 0))
     ORDER BY p.id LIMIT :limit
    """
)
_STUCK = text(
    """
    SELECT payment_id, 'a refund of ' || amount_minor || ' is stuck: ' || coalesce(last_error, '')
      FROM gateway_refunds
     WHERE merchant_id = :merchant AND state = 'STUCK'
     ORDER BY id LIMIT :limit
    """
)
_OVERDUE = text(
    """
    SELECT id, 'its hold should have ended at ' || hold_expires_at
      FROM payments
     WHERE merchant_id = :merchant AND status = 'PENDING_EXTERNAL'
       AND hold_expires_at < now() - CAST('10 minutes' AS interval)
     ORDER BY id LIMIT :limit
    """
)


# What a store keeps room for, of what keepers of wallets will owe it once its orders are paid.
_RESERVED = text(
    """
    WITH waiting AS (
        SELECT wallet_merchant_id AS keeper,
               sum(principal_minor + bonus_minor + silver_minor) AS minor
          FROM payments
         WHERE merchant_id = :merchant AND status = 'PENDING_EXTERNAL'
           AND wallet_merchant_id IS NOT NULL
         GROUP BY wallet_merchant_id),
    kept AS (
        SELECT partner_id AS keeper, held_minor AS minor FROM settlement_positions
         WHERE merchant_id = :merchant)
    SELECT keeper, 'room for ' || coalesce(kept.minor, 0) || ', waiting payments need '
           || coalesce(waiting.minor, 0)
      FROM kept FULL JOIN waiting USING (keeper)
     WHERE coalesce(kept.minor, 0) <> coalesce(waiting.minor, 0)
     ORDER BY keeper LIMIT :limit
    """
)
_WAITING = text(
    """
    SELECT principal_minor, silver_minor, lots FROM payments
     WHERE merchant_id = :merchant AND customer_id = :customer AND status = 'PENDING_EXTERNAL'
       AND wallet_merchant_id IS NULL
     UNION ALL
    SELECT principal_minor, silver_minor, lots FROM shared_holds
     WHERE merchant_id = :merchant AND customer_id = :customer
    """
)
_VOUCHER_OWNER = text("SELECT customer_id FROM vouchers WHERE merchant_id = :merchant AND id = :id")


_PARTNERS = text(
    """
    SELECT store_id FROM shared_holds WHERE merchant_id = :merchant
     UNION
    SELECT wallet_merchant_id FROM payments
     WHERE merchant_id = :merchant AND status = 'PENDING_EXTERNAL'
       AND wallet_merchant_id IS NOT NULL
    """
)
_SHARED_HOLDS = text(
    """
    SELECT h.payment_id, 'held for an order at ' || h.store_id || ' that does not wait'
      FROM shared_holds h
     WHERE h.merchant_id = :merchant AND h.store_id = :partner
       AND NOT EXISTS (SELECT FROM payments p
                        WHERE p.merchant_id = h.store_id AND p.id = h.payment_id
                          AND p.status = 'PENDING_EXTERNAL'
                          AND p.wallet_merchant_id = h.merchant_id)
     UNION ALL
    SELECT p.id, 'it waits, and holds nothing of the wallet at ' || p.wallet_merchant_id
      FROM payments p
     WHERE p.merchant_id = :merchant AND p.status = 'PENDING_EXTERNAL'
       AND p.wallet_merchant_id = :partner
       AND NOT EXISTS (SELECT FROM shared_holds h
                        WHERE h.merchant_id = p.wallet_merchant_id
                          AND h.store_id = p.merchant_id AND h.payment_id = p.id)
     ORDER BY 1 LIMIT :limit
    """
)


def _held_elsewhere(merchant_id: str) -> list[Finding]:
    """A partner that lies in another database cannot be compared with."""
    wrong: list[Finding] = []
    with transaction(merchant_id) as session:
        for partner in session.scalars(_PARTNERS, {"merchant": merchant_id}).all():
            try:
                wallets.enter_keeper(session, partner)
            except wallets.KeeperAway:
                continue
            values = {"merchant": merchant_id, "partner": partner, "limit": MOST_FINDINGS}
            rows = session.execute(_SHARED_HOLDS, values)
            wrong += [Finding(merchant_id, row[0], row[1]) for row in rows]
    return wrong


def let_go(finding: Finding) -> str:
    """Make what a wallet holds what its waiting payments hold, under the wallet's lock."""
    merchant_id, customer_id = finding.merchant_id, finding.about
    with transaction(merchant_id) as session:
        wallet = wallets.lock_wallet_of_anybody(session, merchant_id, customer_id)
        values = {"merchant": merchant_id, "customer": customer_id}
        waiting = session.execute(_WAITING, values).all()
        lots: Counter[str] = Counter()
        for payment in waiting:
            lots.update(payment.lots or {})
        wallets.set_held(
            session,
            wallet,
            principal=sum(payment.principal_minor for payment in waiting),
            silver=sum(payment.silver_minor for payment in waiting),
            lots=lots,
        )
    return "it holds only what payments wait for"


def free_voucher(finding: Finding) -> str:
    """Make a voucher usable again that is held for a payment which does not wait."""
    merchant_id, voucher_id = finding.merchant_id, finding.about
    with transaction(merchant_id) as session:
        named = {"merchant": merchant_id, "id": voucher_id}
        owner = session.execute(_VOUCHER_OWNER, named).scalar_one()
        wallets.lock_wallet_of_anybody(session, merchant_id, owner)
        still = {other.about for other in found(session, _HELD_VOUCHERS, merchant_id)}
        if voucher_id not in still:
            return "it is sound by now"
        wallets.free_voucher(session, merchant_id, voucher_id)
    return "the voucher is free again"


def _send_again(finding: Finding) -> str:
    refunds.send_again(finding.merchant_id, finding.about, SYSTEM)
    return "it is tried again"


def _ring(finding: Finding) -> str:
    with transaction(finding.merchant_id) as session:
        after_commit_ring(session, refunds.BELL)
    return "the job that ends holds was rung"


CHECKS = (
    Check(
        "payments_sales",
        "every paid order has moved its whole amount into sales, and no other has",
        by_statement(_SALES),
    ),
    Check(
        "payments_holds",
        "wallets hold what their waiting payments hold",
        by_statement(_ORPHAN_HOLDS),
        let_go,
    ),
    Check(
        "payments_held_vouchers",
        "a held voucher is held for a payment that waits",
        by_statement(_HELD_VOUCHERS),
        free_voucher,
    ),
    Check(
        "payments_refunded",
        "what was refunded of a payment is what its refunds say and have posted",
        by_statement(_REFUNDED),
    ),
    Check(
        "payments_reserved",
        "what partners may owe leaves room for what waits at this store, and for nothing else",
        by_statement(_RESERVED),
    ),
    Check(
        "payments_shared_holds",
        "what stores hold of each other's wallets is for orders that wait",
        _held_elsewhere,
    ),
    Check("payments_overdue", "no hold outlives its time", by_statement(_OVERDUE), _ring),
    Check(
        "payments_refunds", "no refund to the gateway is stuck", by_statement(_STUCK), _send_again
    ),
)
