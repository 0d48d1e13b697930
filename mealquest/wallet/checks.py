"""What must always be true of wallets and ledger."""

from sqlalchemy import text

from mealquest.core.checks import Check, by_statement
from mealquest.wallet import settlement_checks

_BALANCES = text(
    """
    WITH moved AS (
        SELECT account, CAST(sum(minor) AS bigint) AS minor
          FROM (SELECT destination AS account, amount_minor AS minor FROM ledger_postings
                 WHERE merchant_id = :merchant AND destination LIKE 'wallet:%'
                 UNION ALL
                SELECT source, -amount_minor FROM ledger_postings
                 WHERE merchant_id = :merchant AND source LIKE 'wallet:%') ends
         GROUP BY account),
    kept AS (
        SELECT 'wallet:' || w.customer_id || ':' || b.bucket AS account, b.minor
          FROM wallets w,
               LATERAL (VALUES ('principal', w.principal_minor), ('bonus', w.bonus_minor),
                               ('silver', w.silver_minor)) AS b (bucket, minor)
         WHERE w.merchant_id = :merchant)
    SELECT account, 'balance ' || coalesce(kept.minor, 0) || ', ledger ' || coalesce(moved.minor, 0)
      FROM kept FULL JOIN moved USING (account)
     WHERE coalesce(kept.minor, 0) <> coalesce(moved.minor, 0)
     ORDER BY account LIMIT :limit
    """
)
_LOTS = text(
    """
    SELECT w.customer_id,
           'bonus ' || w.bonus_minor || ' (' || w.held_bonus_minor || ' held), lots '
           || coalesce(l.left_minor, 0) || ' (' || coalesce(l.held_minor, 0) || ' held)'
      FROM wallets w
      LEFT JOIN (SELECT customer_id, sum(left_minor) AS left_minor, sum(held_minor) AS held_minor
                   FROM bonus_lots WHERE merchant_id = :merchant GROUP BY customer_id) l
           USING (customer_id)
     WHERE w.merchant_id = :merchant
       AND (w.bonus_minor, w.held_bonus_minor)
           IS DISTINCT FROM (coalesce(l.left_minor, 0), coalesce(l.held_minor, 0))
     ORDER BY w.customer_id LIMIT :limit
    """
)
_POSTINGS = text(
    """
    SELECT e.id, 'an entry of kind ' || e.kind || ' without postings'
      FROM ledger_entries e
     WHERE e.merchant_id = :merchant AND e.kind <> 'PAYMENT_PENDING'
       AND NOT EXISTS (SELECT FROM ledger_postings p
                        WHERE p.merchant_id = e.merchant_id AND p.entry_id = e.id)
     ORDER BY e.id LIMIT :limit
    """
)

CHECKS = (
    Check(
        "wallet_balances",
        "every balance equals the sum of its postings",
        by_statement(_BALANCES),
    ),
    Check("wallet_lots", "the lots of a wallet sum to its bonus", by_statement(_LOTS)),
    Check("ledger_postings", "every entry that moves money has postings", by_statement(_POSTINGS)),
    *settlement_checks.CHECKS,
)
