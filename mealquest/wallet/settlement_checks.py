"""What must always be true between stores that share, or shared, a wallet."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.core.checks import MOST_FINDINGS, Check, Finding, by_statement
from mealquest.core.db import transaction, widen
from mealquest.core.places import Elsewhere
from mealquest.wallet import settlement

_CACHED = text(
    """
    WITH moved AS (
        SELECT substr(account, 12) AS partner, CAST(sum(minor) AS bigint) AS minor
          FROM (SELECT destination AS account, amount_minor AS minor FROM ledger_postings
                 WHERE merchant_id = :merchant AND destination LIKE 'settlement:%'
                 UNION ALL
                SELECT source, -amount_minor FROM ledger_postings
                 WHERE merchant_id = :merchant AND source LIKE 'settlement:%') ends
         GROUP BY account),
    kept AS (
        SELECT partner_id AS partner, position_minor AS minor FROM settlement_positions
         WHERE merchant_id = :merchant)
    SELECT partner,
           'position ' || coalesce(kept.minor, 0) || ', ledger ' || coalesce(moved.minor, 0)
      FROM kept FULL JOIN moved USING (partner)
     WHERE coalesce(kept.minor, 0) <> coalesce(moved.minor, 0)
     ORDER BY partner LIMIT :limit
    """
)
# Entries of one kind about one reference meet in the two accounts, and take there what they bring.
_TWINS = text(
    """
    WITH ends AS (
        SELECT e.kind, e.reference,
               CASE WHEN p.destination LIKE 'settlement:%' THEN p.amount_minor
                    ELSE -p.amount_minor END AS minor
          FROM ledger_postings p
          JOIN ledger_entries e ON e.merchant_id = p.merchant_id AND e.id = p.entry_id
         WHERE (p.merchant_id = :merchant AND :theirs IN (p.source, p.destination))
            OR (p.merchant_id = :partner AND :mine IN (p.source, p.destination)))
    SELECT kind || ' ' || reference, 'the two books of it with ' || :partner || ' differ by '
           || sum(minor)
      FROM ends GROUP BY kind, reference HAVING sum(minor) <> 0
     ORDER BY 1 LIMIT :limit
    """
)


def _pairs(session: Session, merchant_id: str) -> Iterator[settlement.Position]:
    """Positions whose other side can be seen: a partner in another database is left out."""
    for kept in settlement.positions(session, merchant_id):
        try:
            widen(session, kept.partner_id)
        except Elsewhere:
            continue
        yield kept


def _sums(merchant_id: str) -> list[Finding]:
    wrong = []
    with transaction(merchant_id) as session:
        for mine in _pairs(session, merchant_id):
            theirs = settlement.position(session, mine.partner_id, merchant_id)
            other = theirs.position_minor if theirs else 0
            if mine.position_minor + other:
                what = f"{mine.position_minor} here, {other} at the partner"
                wrong.append(Finding(merchant_id, mine.partner_id, what))
    return wrong


def _twins(merchant_id: str) -> list[Finding]:
    wrong = []
    with transaction(merchant_id) as session:
        for pair in _pairs(session, merchant_id):
            values = {
                "merchant": merchant_id,
                "partner": pair.partner_id,
                "mine": settlement.account(merchant_id),
                "theirs": settlement.account(pair.partner_id),
                "limit": MOST_FINDINGS,
            }
            rows = session.execute(_TWINS, values)
            wrong += [Finding(merchant_id, row[0], row[1]) for row in rows]
    return wrong


CHECKS = (
    Check(
        "settlement_positions",
        "what a merchant owes each partner is the balance of its account with it",
        by_statement(_CACHED),
    ),
    Check("settlement_pairs", "what one store owes is what the other is owed", _sums),
    Check("settlement_entries", "each entry between stores stands in both books", _twins),
)
