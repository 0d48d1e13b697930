"""What was agreed, declined, changed and copied, and when: read only, newest first."""

from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from mealquest.alliance import queries
from mealquest.alliance.forms import ActsForm
from mealquest.alliance.replies import ActsPage, ActView, CopyView
from mealquest.core.db import transaction
from mealquest.core.paging import EXPORT_BATCH, Keyset, batches, cut, span_of_days
from mealquest.tenancy import service as tenancy


def acts(merchant_id: str, form: ActsForm) -> ActsPage:
    """A page of the history. Invalid: not a cursor of ours."""
    items, next_cursor = _page(merchant_id, form, form.cursor, form.limit)
    return ActsPage(merchant_id=merchant_id, items=items, next_cursor=next_cursor)


def every_act(merchant_id: str, form: ActsForm) -> Iterator[Sequence[ActView]]:
    """The whole history, in batches that are read as they are asked for."""
    return batches(lambda cursor: _page(merchant_id, form, cursor, EXPORT_BATCH))


def copies(merchant_id: str, user_id: str) -> list[CopyView]:
    """Where a customer's profile was sent. Erasing it here does not reach these stores."""
    with transaction(merchant_id) as session:
        found = queries.copies(session, merchant_id, user_id)
    names = tenancy.public_names([one for one, _sent in found])
    return [
        CopyView(merchant_id=one, name=names.get(one) or one, sent_at=sent) for one, sent in found
    ]


def _page(
    merchant_id: str, form: ActsForm, cursor: str | None, limit: int
) -> tuple[list[ActView], str | None]:
    after = Keyset.decode(cursor) if cursor else None
    with transaction(merchant_id) as session:
        zone = ZoneInfo(tenancy.settings_of(session, merchant_id).time_zone)
        rows = queries.acts(
            session,
            merchant_id,
            partner_id=form.partner_id,
            act=form.act,
            span=span_of_days(form.from_day, form.to_day, zone),
            after=after,
            limit=limit + 1,
        )
    found, next_cursor = cut(rows, limit, lambda row: Keyset(row.occurred_at, row.id).encode())
    names = tenancy.public_names({row.partner_id for row in found})
    items = [
        ActView(
            act_id=row.id,
            timestamp=row.occurred_at,
            act=row.act,
            partner_id=row.partner_id,
            partner_name=names.get(row.partner_id) or row.partner_id,
            by_merchant_id=row.by_merchant_id,
            by_subject=row.by_subject,
            user_id=row.customer_id,
            terms=row.terms,
        )
        for row in found
    ]
    return items, next_cursor
