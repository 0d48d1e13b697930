"""What must always be true of campaigns."""

from sqlalchemy import ARRAY, Text, bindparam, text

from mealquest.core.checks import MOST_FINDINGS, Check, Finding, by_statement
from mealquest.core.db import transaction
from mealquest.wallet import service as wallets

_SPENT = text(
    """
    SELECT c.id, 'spent ' || c.spent_minor || ' and ' || c.hits || ' hits, rows say '
           || coalesce(h.minor, 0) || ' and ' || coalesce(h.hits, 0)
      FROM campaigns c
      LEFT JOIN (SELECT campaign_id, count(*) AS hits, sum(units) AS units,
                        sum(cost_minor + (SELECT coalesce(sum(CAST(value AS bigint)), 0)
                                            FROM jsonb_each_text(redeemed))) AS minor
                   FROM campaign_hits WHERE merchant_id = :merchant GROUP BY campaign_id) h
           ON h.campaign_id = c.id
     WHERE c.merchant_id = :merchant
       AND (c.spent_minor, c.hits) IS DISTINCT FROM (coalesce(h.minor, 0), coalesce(h.hits, 0))
     ORDER BY c.id LIMIT :limit
    """
)
_GRANTS = text(
    """
    SELECT h.id, 'a hit that cost ' || h.cost_minor || ' and left ' || g.minor || ' in the books'
      FROM campaign_hits h,
           LATERAL (SELECT coalesce((SELECT amount_minor FROM ledger_entries e
                                      WHERE e.merchant_id = h.merchant_id
                                        AND e.kind = 'CAMPAIGN_GRANT' AND e.reference = h.id), 0)
                           + coalesce((SELECT sum(value_minor) FROM vouchers v
                                        WHERE v.merchant_id = ANY(:keepers)
                                          AND v.granted_by = h.id), 0) AS minor) g
     WHERE h.merchant_id = :merchant AND h.cost_minor <> g.minor
     ORDER BY h.id LIMIT :limit
    """
).bindparams(bindparam("keepers", type_=ARRAY(Text)))


def _grants(merchant_id: str) -> list[Finding]:
    """Vouchers lie with whoever keeps the wallet; where one of those cannot be seen, nothing is
    said."""
    with transaction(merchant_id) as session:
        keepers = wallets.keepers(session, merchant_id)
        partners = {one.partner_id for one in wallets.settlement.positions(session, merchant_id)}
        if not partners <= set(keepers):
            return []
        values = {"merchant": merchant_id, "keepers": keepers, "limit": MOST_FINDINGS}
        return [Finding(merchant_id, *row) for row in session.execute(_GRANTS, values)]


CHECKS = (
    Check(
        "campaigns_spent",
        "what a campaign has spent is the sum of its hits",
        by_statement(_SPENT),
    ),
    Check(
        "campaigns_grants",
        "what a hit cost stands in the ledger and in vouchers",
        _grants,
    ),
)
