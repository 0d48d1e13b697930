"""What must always be true of invoices; a credit note that nobody wrote is written."""

from sqlalchemy import text

from mealquest.core.checks import MOST_FINDINGS, Check, Finding, by_statement
from mealquest.core.db import transaction
from mealquest.core.paging import EXPORT_BATCH
from mealquest.invoices import issuing, queries

_GAPS = text(
    """
    SELECT n.kind, n.last || ' numbers were given out, ' || count(i.number) || ' papers are there'
      FROM invoice_numbers n
      LEFT JOIN invoices i ON i.merchant_id = n.merchant_id AND i.kind = n.kind
     WHERE n.merchant_id = :merchant
     GROUP BY n.kind, n.last
    HAVING count(i.number) <> n.last
     ORDER BY n.kind LIMIT :limit
    """
)
# The relay brings the news of a refund; while it is put off it comes again within the hour.
_UNTOLD = text(
    """
    SELECT r.id, 'a refund after ' || i.number || ' without a credit note'
      FROM refunds r
      JOIN invoices i ON i.merchant_id = r.merchant_id AND i.payment_id = r.payment_id
                     AND i.kind = 'INVOICE'
     WHERE r.merchant_id = :merchant AND r.created_at < now() - interval '1 hour'
       AND NOT EXISTS (SELECT FROM invoice_refunds t
                        WHERE t.merchant_id = r.merchant_id AND t.refund_id = r.id)
     ORDER BY r.id LIMIT :limit
    """
)


def _changed(merchant_id: str) -> list[Finding]:
    found: list[Finding] = []
    after = ""
    while len(found) < MOST_FINDINGS:
        with transaction(merchant_id) as session:
            rows = queries.in_order(session, merchant_id, after, EXPORT_BATCH)
        if not rows:
            break
        after = rows[-1].number
        wrong = [row.number for row in rows if not queries.is_as_issued(row)]
        found += [Finding(merchant_id, number, "is not as it was issued") for number in wrong]
    return found


def _write_note(finding: Finding) -> str:
    issuing.credit_refund(finding.merchant_id, finding.about)
    return "the credit note is written"


CHECKS = (
    Check("invoices_unchanged", "every invoice is as it was issued", _changed),
    Check("invoices_numbers", "no number of an invoice is missing", by_statement(_GAPS)),
    Check(
        "invoices_refunds",
        "every refund of an invoiced payment was taken off or has a credit note",
        by_statement(_UNTOLD),
        _write_note,
    ),
)
