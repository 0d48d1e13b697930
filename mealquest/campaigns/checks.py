"""What must always be true of campaigns."""

from sqlalchemy import text

from mealquest.core.checks import Check, by_statement

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
                                        WHERE v.merchant_id = h.merchant_id
                                          AND v.granted_by = h.id), 0) AS minor) g
     WHERE h.merchant_id = :merchant AND h.cost_minor <> g.minor
     ORDER BY h.id LIMIT :limit
    """
)

CHECKS = (
    Check(
        "campaigns_spent",
        "what a campaign has spent is the sum of its hits",
        by_statement(_SPENT),
    ),
    Check(
        "campaigns_grants",
        "what a hit cost stands in the ledger and in vouchers",
        by_statement(_GRANTS),
    ),
)
